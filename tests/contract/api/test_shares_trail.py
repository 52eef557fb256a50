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
    token = (await shared(api, job))["token"]
    await redeemed(api, token, "carol")
    for _ in range(2):
        await ask(api, "DELETE", f"/jobs/{job}/shares/{share}", "alice")
    told: list[tuple[str, ...]] = []

    async def there() -> bool:
        entries = (await api.client().get("/api/v1/audit")).json()["items"]
        names = ("action", "behalf_of", "user", "guest", "job")
        told[:] = [tuple(each[name] for name in names) for each in entries]
        return len(told) >= 6

    await eventually_true(there)
    assert told[:5] == [
        ("deleteShare", "alice", "alice", None, job),
        ("deleteShare", "alice", "alice", "bob", job),
        ("redeemShare", "carol", "alice", None, job),
        ("createShare", "alice", "alice", None, job),
        ("createShare", "alice", "alice", "bob", job),
    ]
    assert token not in str(told)


async def test_the_trail_says_whose_address_was_revoked(api: Service) -> None:
    job = await available(api)
    await shared(api, job, user="bob")
    for person in ("bob", "alice"):
        entry = (await ask(api, "POST", f"/jobs/{job}/admissions", person, address="192.0.2.8")).json()["id"]
        await ask(api, "DELETE", f"/jobs/{job}/admissions/{entry}", "alice")
    told: list[str | None] = []

    async def there() -> bool:
        entries = (await api.client().get("/api/v1/audit")).json()["items"]
        told[:] = [each["guest"] for each in entries if each["action"] == "deleteAdmission"]
        return len(told) == 2

    await eventually_true(there)
    assert told == [None, "bob"]
