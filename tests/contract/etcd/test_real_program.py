"""The program on an etcd that knows the roles: as root it gives rights, as the API's user it seals secrets."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bwvisu.adapters.etcd import Put
from bwvisu.adapters.rights import Role
from bwvisu.adapters.vault import read_vault
from bwvisu.roles.rights import user_of
from tests.contract.etcd.test_real_roles import KEYS, PATIENCE, Guarded, know_the_roles
from tests.support.etcd import EtcdCluster, client_certificate
from tests.support.program import PROGRAM, environment


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    with EtcdCluster(tls=True) as cluster:
        place = Guarded(cluster)
        know_the_roles(place)
        yield place


def run(guarded: Guarded, *argv: str, keys: list[Path] | None = None) -> subprocess.CompletedProcess[str]:
    tls = client_certificate(guarded.folder, user_of(Role.API))
    files = {name: str(getattr(tls, name)) for name in ("ca_file", "cert_file", "key_file")}
    node = {"host": "cmd1.example.org", "user": "bwvisu"}
    settings = {
        "etcd": {"endpoints": guarded.cluster.endpoints, "tls": files, "timeout": PATIENCE},
        "secrets": {"key_files": [str(key) for key in keys or ()]},
        "clusters": {"main": {"command_nodes": [node], "ssh": {"key_file": "/k", "known_hosts": "/h"}}},
    }
    config = guarded.folder / "bwvisu.yaml"
    config.write_text(yaml.safe_dump(settings))
    return subprocess.run(
        [PROGRAM, *argv, "--config", config], env=environment(), check=False, capture_output=True, text=True, timeout=60
    )


async def test_an_administrator_settles_rights_and_changes_keys(guarded: Guarded, tmp_path: Path) -> None:
    refused = run(guarded, "config", "etcd-roles", "--apply")
    assert refused.returncode == 4
    assert "permission denied" in refused.stderr
    root = client_certificate(guarded.folder, "root")
    files = ("--cert-file", str(root.cert_file), "--key-file", str(root.key_file))
    done = run(guarded, "config", "etcd-roles", "--apply", "--all", *files)
    assert done.returncode == 0, done.stderr
    changed = dict(line.removesuffix(" rights changed").split(": ") for line in done.stdout.splitlines())
    assert {name: int(number) > 0 for name, number in changed.items()} == {
        "bwvisu-api": False,
        "bwvisu-keyhole": False,
        "bwvisu-reconciler": False,
        "bwvisu-all": True,
    }
    async with guarded.as_user(user_of(Role.API)) as etcd:
        await etcd.commit([], [Put(KEYS.secret("job"), b"s" * 32)])
        key = tmp_path / "key"
        key.write_text(created())
        done = run(guarded, "secrets", "rotate", "--json", keys=[key])
        assert json.loads(done.stdout) == {"sealed": 1, "secrets": 1}, done.stderr
        entry = await etcd.get(KEYS.secret("job"))
        assert entry is not None
        assert read_vault([key]).open("job", entry.value) == b"s" * 32


def created() -> str:
    """A key, as the program prints it."""
    made: list[str | Path] = [PROGRAM, "secrets", "create-key"]
    return subprocess.run(made, env=environment(), check=True, capture_output=True, text=True).stdout
