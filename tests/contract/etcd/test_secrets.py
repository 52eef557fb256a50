"""Secrets of jobs in the store: as keys come and go, every job's stays the same, and none is lost."""

import os

import pytest

from bwvisu.adapters.etcd import Mirror, Put, Store
from bwvisu.adapters.ledger import EtcdLedger
from bwvisu.adapters.records import Keys, decode
from bwvisu.adapters.vault import KeyMissing, Vault, rotate
from keyhole.domain import JobForwards
from keyhole.interfaces import LedgerUnavailable

OLD, NEW = os.urandom(32), os.urandom(32)
SECRETS = {f"job{number}": os.urandom(32) for number in range(9)}


def ledger(etcd: Store, keys: Keys, vault: Vault) -> EtcdLedger:
    forwards = Mirror(etcd, keys.kind("forwards"), lambda entry: decode(JobForwards, entry.value))
    return EtcdLedger(etcd, keys, forwards, vault)


async def store(etcd: Store, keys: Keys, vault: Vault, *jobs: str) -> None:
    for job in jobs:
        await etcd.commit([], [Put(keys.secret(job), vault.seal(job, SECRETS[job]))])


async def test_rotation_seals_all_with_the_first_key_and_then_nothing(etcd: Store, prefix: str) -> None:
    keys = Keys(prefix.rstrip("/"))
    plain, old, both, new = Vault(), Vault([OLD]), Vault([NEW, OLD]), Vault([NEW])
    names = list(SECRETS)
    await store(etcd, keys, plain, *names[:3])
    await store(etcd, keys, old, *names[3:6])
    await store(etcd, keys, both, *names[6:])
    assert await rotate(etcd, keys, both) == (6, 9)
    assert await rotate(etcd, keys, both) == (0, 9)
    for job, secret in SECRETS.items():
        entry = await etcd.get(keys.secret(job))
        assert entry is not None
        assert secret not in entry.value
        assert await ledger(etcd, keys, new).secret(job) == secret


async def test_rotation_without_an_old_key_stops_and_loses_nothing(etcd: Store, prefix: str) -> None:
    keys = Keys(prefix.rstrip("/"))
    await store(etcd, keys, Vault([OLD]), *SECRETS)
    with pytest.raises(KeyMissing):
        await rotate(etcd, keys, Vault([NEW]))
    for job, secret in SECRETS.items():
        assert await ledger(etcd, keys, Vault([OLD])).secret(job) == secret


async def test_a_keyhole_without_the_key_cannot_look_which_is_not_an_unknown_job(etcd: Store, prefix: str) -> None:
    """Its caller is told to come again (503), and is not turned away for ever (401)."""
    keys = Keys(prefix.rstrip("/"))
    await store(etcd, keys, Vault([OLD]), "job1")
    with pytest.raises(LedgerUnavailable, match="add its file to"):
        await ledger(etcd, keys, Vault([NEW])).secret("job1")
    assert await ledger(etcd, keys, Vault([NEW])).secret("unknown") is None
