"""Backups of real etcd: as ``etcdctl`` takes them back, whole or not at all."""

import stat
from pathlib import Path

import pytest

from bwvisu.adapters.etcd import Credentials, Etcd, EtcdRefused, Put
from tests.support.etcd import ROOT_PASSWORD, EtcdCluster

LARGE = 3 * 2**20
"""More than one message of gRPC, in some values."""


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_backup_is_taken_back_by_etcdctl(tmp_path: Path) -> None:
    backup = tmp_path / "bwvisu.snapshot"
    with EtcdCluster() as cluster:
        async with Etcd(cluster.endpoints) as etcd:
            for number in range(3):
                await etcd.commit([], [Put(f"/kept/{number}", bytes([number]) * (LARGE // 3))])
            size = await etcd.save(backup)
            await etcd.commit([], [Put("/later", b"1")])
            with pytest.raises(FileExistsError):
                await etcd.save(backup)
        assert (size, stat.S_IMODE(backup.stat().st_mode)) == (backup.stat().st_size, 0o600)
        assert files(tmp_path) == [backup]
        (member,) = cluster.members
        member.kill()
        member.lose_data()
        cluster.restore(backup)
        member.start()
        cluster.wait_healthy()
        async with Etcd(cluster.endpoints) as etcd:
            assert list((await etcd.list("/")).entries) == ["/kept/0", "/kept/1", "/kept/2"]


async def test_only_root_may_where_etcd_asks_for_passwords(tmp_path: Path) -> None:
    with EtcdCluster(password=ROOT_PASSWORD) as cluster:
        cluster.ctl("user", "add", "bwvisu:secret")
        async with Etcd(cluster.endpoints, credentials=Credentials("bwvisu", "secret")) as etcd:
            with pytest.raises(EtcdRefused, match="permission denied"):
                await etcd.save(tmp_path / "refused")
        async with Etcd(cluster.endpoints, credentials=Credentials("root", ROOT_PASSWORD)) as etcd:
            await etcd.save(tmp_path / "kept")
    assert files(tmp_path) == [tmp_path / "kept"]
