"""What administrators look at: the audit trail's newest entries, from every replica, and who uses a cluster."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bwvisu.adapters.etcd import Put
from bwvisu.adapters.records import encode
from bwvisu.domain.audit import AuditPage, AuditRecord
from bwvisu.domain.job import JobStatus, SlurmView
from bwvisu.domain.lifecycle import Phase
from bwvisu.domain.principal import Principal, Scope
from bwvisu.services.chronicle import PAGE, PAGES, Chronicle, Wanted
from tests.contract.api.service import Service, cluster_settings, service
from tests.contract.api.test_bad_input import GOOD, problem
from tests.contract.api.test_limits import FINISHED
from tests.support.etcd import EtcdCluster
from tests.support.waiting import eventually_true

CAROL = {"X-Requested-By": "carol"}
AUDIT = "/api/v1/audit"


async def entries(api: Service, holder: str = "portal", **query: str | int) -> list[dict[str, Any]]:
    answer = await api.client(holder).get(AUDIT, params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def brief(entry: dict[str, Any]) -> tuple[str | None, ...]:
    return tuple(entry[name] for name in ("action", "result", "by", "requested_by", "user", "reason"))


async def test_what_was_asked_at_any_replica_is_shown_by_each_with_the_administrator(
    etcd: EtcdCluster, bundles: Path
) -> None:
    async with (
        service(etcd.endpoints, bundles) as one,
        service(etcd.endpoints, bundles, keys=one.context.state.keys) as other,
    ):
        one.leader.knows("alice")
        job = await one.submit()
        gone = await other.client().delete(f"/api/v1/jobs/{job['id']}", headers=CAROL)
        await one.client("reader").post("/api/v1/jobs", json=GOOD)
        expected = [
            ("createJob", "refused", "reader", None, None, "scope-missing"),
            ("cancelJob", "accepted", "portal", "carol", "alice", None),
            ("createJob", "accepted", "portal", None, "alice", None),
        ]

        async def shown() -> bool:
            return [brief(each) for each in await entries(other)] == expected

        await eventually_true(shown)
        assert [brief(each) for each in await entries(one)] == expected
        assert [each["action"] for each in await entries(one, job=job["id"])] == ["cancelJob", "createJob"]
        assert [each["reason"] for each in await entries(one, action="createJob", limit=1)] == ["scope-missing"]
        assert [each["request"] for each in await entries(one, action="cancelJob")] == [gone.headers["X-Request-Id"]]
        assert await entries(one, user="bob") == []


async def test_it_survives_its_process_and_goes_with_a_lease(etcd: EtcdCluster, bundles: Path) -> None:
    async with service(etcd.endpoints, bundles) as first:
        first.leader.knows("alice")
        await first.submit()
        assert len(await entries(first)) == 1
        keys = first.context.state.keys
    async with service(etcd.endpoints, bundles, keys=keys) as second:
        assert [each["action"] for each in await entries(second)] == ["createJob"]
        assert all(entry.lease for entry in (await second.records("audit")).values())


async def test_etcd_holds_few_pages_however_much_is_asked(api: Service) -> None:
    for _ in range(PAGE * (PAGES + 2)):
        await api.client().put("/api/v1/users/alice/preferences", content=b"{")  # refused, which is asked all the same
    assert len(await entries(api, limit=500)) == 500
    pages = await api.records("audit")
    assert len(pages) == PAGES
    assert max(len(entry.value) for entry in pages.values()) < 32 * 1024


async def test_pages_that_are_dropped_while_etcd_is_slow_break_nothing(
    api: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More is asked during one slow write than is kept: the oldest is forgotten, and whoever writes goes on."""
    chronicle = Chronicle(api.context)
    slow, store = asyncio.Event(), api.context.state.store
    commit = store.commit

    async def wait(*args: Any) -> Any:
        await slow.wait()
        return await commit(*args)

    record = AuditRecord(action="createJob", result="accepted", at=datetime.now(UTC))
    for _ in range(PAGE * 3):
        chronicle.write(record)
    with monkeypatch.context() as patched:
        patched.setattr(store, "commit", wait)
        reading = asyncio.create_task(chronicle.recent(Principal("admin", frozenset(Scope), None), Wanted(), 500))
        await asyncio.sleep(0)  # noqa: TID251 one step: it has begun to write
        for _ in range(PAGE * PAGES):
            chronicle.write(record)
        slow.set()
        await reading
    assert max(len(entry.value) for entry in (await api.records("audit")).values()) > 0


async def test_pages_of_another_version_and_damaged_ones_hide_no_others(api: Service) -> None:
    await api.submit()
    (mine,) = await entries(api)
    newer = AuditPage(entries=({**mine, "state": None, "colour": "red"}, {**mine, "action": "paintJob"}))
    keys, store = api.context.state.keys, api.context.state.store
    await store.commit([], [Put(keys.audit("damaged", 0), b"{"), Put(keys.audit("newer", 0), encode(newer))])
    assert await entries(api) == [mine, mine]


async def test_only_administrators_see_it_and_a_bound_one_only_their_own(api: Service) -> None:
    for user in ("alice", "bob"):
        await api.submit(user=user)
    for path in (AUDIT, "/api/v1/clusters/main/usage"):
        answer = await api.client("reader").get(path)
        assert (answer.status_code, problem(answer)["type"]) == (403, "/problems/scope-missing")
    assert [each["user"] for each in await entries(api, "alices")] == ["alice"]
    usage = (await api.client("alices").get("/api/v1/clusters/main/usage")).json()
    assert usage == {"items": [{"user": "alice", "in_slurm": 0, "waiting": 1}]}


@pytest.mark.parametrize("name", ["", "root", "Carol", "carol; id", "c" * 10_000, "car\xe7l"])
async def test_who_asks_must_be_a_name(api: Service, name: str) -> None:
    answer = await api.client().post("/api/v1/jobs", json=GOOD, headers=[(b"X-Requested-By", name.encode("latin-1"))])
    assert (answer.status_code, problem(answer)["type"]) == (400, "/problems/bad-request")
    assert (await entries(api))[0]["requested_by"] is None


async def test_only_who_may_impersonate_says_who_asks(api: Service) -> None:
    answer = await api.client("reader").get("/api/v1/jobs", headers=CAROL)
    assert (answer.status_code, problem(answer)["type"]) == (403, "/problems/impersonation-missing")


async def test_who_asks_changes_no_right(api: Service) -> None:
    job = await api.submit(user="bob")
    assert (await api.client().get(f"/api/v1/jobs/{job['id']}", headers=CAROL)).status_code == 200
    answer = await api.client("alices").get(f"/api/v1/jobs/{job['id']}", headers={"X-Requested-By": "bob"})
    assert (answer.status_code, problem(answer)["type"]) == (404, "/problems/job-not-found")


IDLE_STOP = {"minimum_minutes": 10, "maximum_minutes": 10080, "never_allowed": True, "warning_seconds": 300}


@pytest.fixture
async def limited(etcd: EtcdCluster, bundles: Path) -> AsyncIterator[Service]:
    slurm = {"extend": {"allowed": True, "maximum": 7200}}
    clusters = {
        "main": cluster_settings(limits={"running_per_user": 2, "waiting_per_user": 1}, slurm=slurm),
        "other": cluster_settings(),
    }
    async with service(etcd.endpoints, bundles, clusters=clusters) as running:
        running.leader.knows("alice", "bob")
        yield running


async def test_usage_counts_unfinished_jobs_and_clusters_tell_what_is_allowed(limited: Service) -> None:
    jobs = [await limited.submit(user=user) for user in ("alice", "alice", "alice", "bob", "bob")]
    await limited.submit(user="bob", cluster="other")
    await limited.leader.sees(jobs[0]["id"], JobStatus(phase=Phase.QUEUED))
    await limited.leader.sees(jobs[3]["id"], FINISHED)
    expected = [{"user": "alice", "in_slurm": 1, "waiting": 2}, {"user": "bob", "in_slurm": 0, "waiting": 1}]

    async def counted() -> bool:
        usage = (await limited.client().get("/api/v1/clusters/main/usage")).json()
        return bool(usage["items"] == expected)

    await eventually_true(counted)
    clusters = (await limited.client().get("/api/v1/clusters")).json()["items"]
    assert [each["limits"] for each in clusters] == [
        {"running_per_user": 2, "waiting_per_user": 1, "extend_to_minutes": 120, "idle_stop": IDLE_STOP},
        {"running_per_user": None, "waiting_per_user": 0, "extend_to_minutes": None, "idle_stop": IDLE_STOP},
    ]


async def test_a_job_is_found_by_slurms_number(api: Service) -> None:
    jobs = [await api.submit() for _ in range(3)]
    seen = JobStatus(phase=Phase.QUEUED, slurm=SlurmView(job_id=4711, state="PENDING"))
    await api.leader.sees(jobs[1]["id"], seen)

    async def found() -> bool:
        items = (await api.client().get("/api/v1/jobs", params={"slurm_job": 4711})).json()["items"]
        return [each["id"] for each in items] == [jobs[1]["id"]]

    await eventually_true(found)
    assert (await api.client().get("/api/v1/jobs", params={"slurm_job": 4712})).json()["items"] == []
    assert (await api.client().get("/api/v1/jobs", params={"slurm_job": 0})).status_code == 422
