"""A person's limits: exact, whoever is asked, however often and at the same time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bwvisu.adapters.records import decode
from bwvisu.domain.job import JobStatus
from bwvisu.domain.lifecycle import Outcome, Phase
from bwvisu.domain.quota import Quota
from tests.contract.api.conftest import APP, make_bundle
from tests.contract.api.service import Service, cluster_settings, service
from tests.support.etcd import EtcdCluster

FINISHED = JobStatus(phase=Phase.FINISHED, outcome=Outcome.COMPLETED)
JOB = {"user": "alice", "application": "probe"}


def limits(**limit: int) -> Any:
    return {"main": cluster_settings(limits=limit)}


@pytest.fixture
async def two(etcd: EtcdCluster, bundles: Path) -> AsyncIterator[list[Service]]:
    """Two replicas of an API that allows two jobs in Slurm and one that waits."""
    allowed = limits(running_per_user=2, waiting_per_user=1)
    async with (
        service(etcd.endpoints, bundles, clusters=allowed) as one,
        service(etcd.endpoints, bundles, clusters=allowed, keys=one.context.state.keys) as other,
    ):
        one.leader.knows("alice", "bob")
        yield [one, other]


async def book(api: Service, user: str = "alice") -> dict[str, str]:
    entry = (await api.records("quota")).get(f"main/{user}")
    return dict(decode(Quota, entry.value).jobs) if entry is not None else {}


async def post(
    api: Service, user: str = "alice", key: str | None = None, application: str = "probe", **more: Any
) -> httpx2.Response:
    headers = {"Idempotency-Key": key} if key else {}
    body = {"user": user, "application": application, **more}
    return await api.client().post("/api/v1/jobs", json=body, headers=headers)


async def test_thirty_requests_at_two_replicas_are_exactly_as_many_jobs_as_are_allowed(two: list[Service]) -> None:
    answers = await asyncio.gather(*(post(two[number % 2]) for number in range(30)))
    codes = [answer.status_code for answer in answers]
    assert (codes.count(201), codes.count(409)) == (3, 27), codes
    accepted = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert set(await two[0].records("specs")) == accepted
    assert set(await book(two[0])) == accepted


async def test_the_answer_says_the_numbers(two: list[Service]) -> None:
    for _ in range(3):
        await two[0].submit()
    answer = await post(two[1])
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "/problems/limit-reached"
    assert problem["limit"] == {"used": 3, "allowed": 3}
    assert problem["detail"] == (
        "3 jobs on main are not finished, and one person may have 3 (2 in Slurm and 1 waiting for them); "
        "stop one, or wait until one ends"
    )
    assert (await post(two[1], "bob")).status_code == 201


async def test_whoever_saw_a_job_finish_may_start_the_next_one_before_the_leader_has_corrected_the_books(
    two: list[Service],
) -> None:
    jobs = [await two[0].submit() for _ in range(3)]
    await two[0].leader.sees(jobs[1]["id"], FINISHED)
    answer = await post(two[1])
    assert answer.status_code == 201, answer.text
    assert set(await book(two[0])) == {jobs[0]["id"], jobs[2]["id"], answer.json()["id"]}
    assert (await post(two[1])).status_code == 409


async def test_a_request_that_is_repeated_at_the_limit_is_still_the_same_job(two: list[Service]) -> None:
    first = await post(two[0], key="once")
    await two[0].submit()
    await two[0].submit()
    again = await post(two[1], key="once")
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    in_full = await post(two[1], key="once", cluster="main", parameters={"minutes": 15})
    assert (in_full.status_code, in_full.json()["id"]) == (200, first.json()["id"])
    assert (await post(two[1], key="another")).status_code == 409


async def test_nothing_is_stored_of_a_refused_job(two: list[Service]) -> None:
    for _ in range(3):
        await two[0].submit()
    before = {kind: await two[0].records(kind) for kind in ("specs", "secrets", "quota", "idempotency")}
    assert (await post(two[0], key="refused")).status_code == 409
    assert {kind: await two[0].records(kind) for kind in before} == before


async def test_where_nothing_is_limited_nobody_keeps_books(api: Service) -> None:
    await asyncio.gather(*(api.submit() for _ in range(10)))
    assert await api.records("quota") == {}


async def test_an_applications_own_limit(etcd: EtcdCluster, bundles: Path) -> None:
    make_bundle(bundles / "rare", APP + "limits: {per_user: 1}\n")
    async with service(etcd.endpoints, bundles) as api:
        api.leader.knows("alice", "bob")
        assert (await post(api, application="rare")).status_code == 201
        answer = await post(api, application="rare")
        assert answer.json()["limit"] == {"used": 1, "allowed": 1, "application": "rare"}
        assert "jobs of rare on main" in answer.json()["detail"]
        assert (await post(api)).status_code == 201
        assert (await post(api, "bob", application="rare")).status_code == 201


async def test_jobs_from_before_the_limit_count(etcd: EtcdCluster, bundles: Path) -> None:
    """Limits are switched on while people have jobs; those that are over meanwhile do not count."""
    async with service(etcd.endpoints, bundles) as before:
        before.leader.knows("alice")
        jobs = [await before.submit() for _ in range(3)]
        await before.leader.sees(jobs[0]["id"], FINISHED)
        keys = before.context.state.keys
        async with service(etcd.endpoints, bundles, clusters=limits(running_per_user=3), keys=keys) as after:
            assert (await post(after)).status_code == 201
            assert (await post(after)).status_code == 409
            assert len(await book(after)) == 3
