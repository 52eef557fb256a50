"""What the audit trail says of other people in a job."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.api.bound import ask, available, bound_service
from tests.contract.api.service import Service
from tests.contract.api.test_shares import redeemed, shared
from tests.support.etcd import EtcdCluster
from tests.support.waiting import eventually_true


@pytest.fixture
async def api(etcd: EtcdCluster, tmp_path: Path) -> AsyncIterator[Service]:
    async with bound_service(etcd.endpoints, tmp_path / "applications") as running:
        yield running


async def test_the_trail_says_who_was_let_in_and_who_came(api: Service) -> None:
    job = await available(api, cluster="open")
    share = (await shared(api, job, user="bob"))["id"]
    link = await shared(api, job)
    token = link["token"]
    await redeemed(api, token, "carol")
    for _ in range(2):
        await ask(api, "DELETE", f"/jobs/{job}/shares/{share}", "alice")
    told: list[tuple[str, ...]] = []

    async def there() -> bool:
        entries = (await api.client().get("/api/v1/audit")).json()["items"]
        names = ("action", "behalf_of", "user", "guest", "job", "entry")
        told[:] = [tuple(each[name] for name in names) for each in entries]
        return len(told) >= 6

    await eventually_true(there)
    assert told[:5] == [
        ("deleteShare", "alice", "alice", None, job, share),
        ("deleteShare", "alice", "alice", "bob", job, share),
        ("redeemShare", "carol", "alice", None, job, link["id"]),
        ("createShare", "alice", "alice", None, job, link["id"]),
        ("createShare", "alice", "alice", "bob", job, share),
    ]
    assert token not in str(told)


async def test_the_trail_says_which_address_was_admitted_and_whose_was_revoked(api: Service) -> None:
    job = await available(api)
    share = await shared(api, job, user="bob")
    link = await shared(api, job)
    entries = {}
    for person, address in (("bob", "192.0.2.8"), ("alice", "192.0.2.9")):
        entries[person] = (await ask(api, "POST", f"/jobs/{job}/admissions", person, address=address)).json()["id"]
        await ask(api, "DELETE", f"/jobs/{job}/admissions/{entries[person]}", "alice")
    await ask(api, "DELETE", f"/jobs/{job}/admissions/{share['id']}", "alice")  # no such entry
    await ask(api, "DELETE", f"/jobs/{job}/admissions/{link['token']}", "alice")  # no id at all
    await ask(api, "POST", f"/jobs/{job}/admissions", "alice", address="127.0.0.1")  # refused
    await redeemed(api, link["token"], "carol", address="192.0.2.10")
    told: list[tuple[str, ...]] = []

    async def there() -> bool:
        kept = (await api.client().get("/api/v1/audit")).json()["items"]
        names = ("action", "guest", "entry", "address")
        told[:] = [
            tuple(each[name] for name in names) for each in kept if each["entry"] or "Admission" in each["action"]
        ]
        return len(told) == 10

    await eventually_true(there)
    assert told == [
        ("redeemShare", None, link["id"], "192.0.2.10"),
        ("createAdmission", None, None, None),
        ("deleteAdmission", None, None, None),
        ("deleteAdmission", None, share["id"], None),
        ("deleteAdmission", None, entries["alice"], "192.0.2.9"),
        ("createAdmission", None, entries["alice"], "192.0.2.9"),
        ("deleteAdmission", "bob", entries["bob"], "192.0.2.8"),
        ("createAdmission", None, entries["bob"], "192.0.2.8"),
        ("createShare", None, link["id"], None),
        ("createShare", "bob", share["id"], None),
    ]
