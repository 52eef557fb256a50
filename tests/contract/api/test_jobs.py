"""Showing, listing, stopping and entering jobs."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bwvisu.adapters.records import decode
from bwvisu.domain.access import access_password
from bwvisu.domain.job import JobSpec, JobStatus, Moment, Reason, SlurmView, Wanted
from bwvisu.domain.job import Service as JobService
from bwvisu.domain.lifecycle import Outcome, Phase, State
from bwvisu.services.listing import Cursor
from tests.contract.api.service import Service
from tests.contract.api.test_bad_input import problem
from tests.support.waiting import eventually_true

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WEB = JobService(
    name="web",
    protocol="http",
    gateway="gw1",
    external_host="gw1.example.org",
    external_port=50007,
    internal_host="node1",
    internal_port=50001,
    reachable=True,
)
AVAILABLE = JobStatus(
    phase=Phase.READY,
    attempt=1,
    slurm=SlurmView(job_id=4711, state="RUNNING", nodes=("node1",), partition="gpu", started_at=AT),
    services=(WEB,),
    timeline=(Moment(state=State.SUBMITTED, at=AT), Moment(state=State.AVAILABLE, at=AT)),
)
FINISHED = JobStatus(
    phase=Phase.FINISHED,
    outcome=Outcome.FAILED,
    reason=Reason(code="NonZeroExitCode", message="It ended with 3."),
    exit_code=3,
    timeline=(Moment(state=State.FINISHED, at=AT),),
)


async def show(api: Service, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = (await api.client().get(f"/api/v1/jobs/{job_id}")).json()
    return job


async def seen(api: Service, job_id: str, status: JobStatus) -> dict[str, Any]:
    """Let the leader see a status, and wait until the API shows it."""
    revision = await api.leader.sees(job_id, status)

    async def shown() -> bool:
        return bool((await show(api, job_id))["revision"] == revision)

    await eventually_true(shown)
    return await show(api, job_id)


async def test_what_the_leader_saw_is_shown(api: Service) -> None:
    accepted = await api.submit()
    job = await seen(api, accepted["id"], AVAILABLE)
    assert job["state"] == "available"
    assert job["revision"] > accepted["revision"]
    assert job["services"] == [
        {
            "name": "web",
            "protocol": "http",
            "gateway": "gw1",
            "external_host": "gw1.example.org",
            "external_port": 50007,
            "internal_host": "node1",
            "internal_port": 50001,
            "reachable": True,
            "connections": None,
            "bytes_in": None,
            "bytes_out": None,
            "last_active_at": None,
        }
    ]
    assert job["slurm"] == {
        "job_id": 4711,
        "state": "RUNNING",
        "reason": None,
        "nodes": ["node1"],
        "partition": "gpu",
        "expected_start_at": None,
        "started_at": "2026-11-22T12:00:00Z",
        "ends_at": None,
        "time_limit_minutes": None,
    }
    assert [moment["state"] for moment in job["timeline"]] == ["accepted", "submitted", "available"]


async def test_how_a_job_ended_is_told(api: Service) -> None:
    job = await seen(api, (await api.submit())["id"], FINISHED)
    assert (job["state"], job["outcome"], job["exit_code"]) == ("finished", "failed", 3)
    assert job["reason"] == {"code": "NonZeroExitCode", "message": "It ended with 3."}


async def test_a_status_that_cannot_be_read_is_said_to_be_so(api: Service) -> None:
    from bwvisu.adapters.etcd import Put

    accepted = await api.submit()
    await api.context.state.store.commit([], [Put(api.context.state.keys.status(accepted["id"]), b"{broken")])

    async def shown() -> bool:
        return bool(((await show(api, accepted["id"]))["reason"] or {}).get("code") == "unreadable-record")

    await eventually_true(shown)


async def test_an_unchanged_job_is_not_sent_again(api: Service) -> None:
    job = await api.submit()
    path, etag = f"/api/v1/jobs/{job['id']}", f'"{job["revision"]}"'
    for header in (etag, f"W/{etag}", f'"1", {etag}', "*"):
        answer = await api.client().get(path, headers={"If-None-Match": header})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    await seen(api, job["id"], AVAILABLE)
    assert (await api.client().get(path, headers={"If-None-Match": etag})).status_code == 200


async def test_stopping_is_stored_once_and_may_be_repeated(api: Service) -> None:
    job = await api.submit()
    answer = await api.client().delete(f"/api/v1/jobs/{job['id']}")
    assert (answer.status_code, answer.json()["wanted"]) == (202, "stopped")
    entry = (await api.records("specs"))[job["id"]]
    assert decode(JobSpec, entry.value).wanted is Wanted.STOPPED
    again = await api.client().delete(f"/api/v1/jobs/{job['id']}")
    assert (again.status_code, again.json()) == (202, answer.json())
    assert (await api.records("specs"))[job["id"]] == entry
    assert (await show(api, job["id"]))["wanted"] == "stopped"


@pytest.mark.parametrize("tag", ['"1"', 'W/"{revision}"', "{revision}", ""])
async def test_another_version_of_a_job_is_not_stopped(api: Service, tag: str) -> None:
    job = await seen(api, (await api.submit())["id"], AVAILABLE)
    before = await api.records("specs")
    answer = await api.client().delete(f"/api/v1/jobs/{job['id']}", headers={"If-Match": tag.format(**job)})
    assert (answer.status_code, problem(answer)["type"]) == (412, "/problems/precondition-failed")
    assert await api.records("specs") == before


async def test_the_version_that_is_meant_is_stopped_and_that_may_be_repeated(api: Service) -> None:
    job = await api.submit()
    known = {"If-Match": f'"{job["revision"]}"'}
    await api.leader.sees(job["id"], AVAILABLE)  # whether or not this replica has heard of it
    assert (await api.client().delete(f"/api/v1/jobs/{job['id']}", headers=known)).status_code == 412
    current = {"If-Match": f'"{(await seen(api, job["id"], AVAILABLE))["revision"]}"'}
    stopped = await api.client().delete(f"/api/v1/jobs/{job['id']}", headers=current)
    assert (stopped.status_code, stopped.json()["wanted"]) == (202, "stopped")
    again = await api.client().delete(f"/api/v1/jobs/{job['id']}", headers=current)
    assert (again.status_code, again.json()) == (202, stopped.json())
    other = await api.submit()
    answer = await api.client().delete(f"/api/v1/jobs/{other['id']}", headers={"If-Match": "*"})
    assert answer.json()["wanted"] == "stopped"
    absent = await api.client().delete("/api/v1/jobs/01jd0000000000000000000000", headers={"If-Match": "*"})
    assert (absent.status_code, problem(absent)["type"]) == (404, "/problems/job-not-found")


async def test_fields_of_a_newer_version_survive_a_cancel(api: Service) -> None:
    from bwvisu.adapters.etcd import Put

    job = await api.submit()
    key = api.context.state.keys.spec(job["id"])
    spec = decode(JobSpec, (await api.records("specs"))[job["id"]].value)
    newer = spec.model_dump_json()[:-1] + ',"shiny":{"a":1}}'
    await api.context.state.store.commit([], [Put(key, newer.encode())])
    await api.client().delete(f"/api/v1/jobs/{job['id']}")
    assert b'"shiny":{"a":1}' in (await api.records("specs"))[job["id"]].value


async def test_a_list_is_newest_first_and_filtered(api: Service) -> None:
    first, second, third = await api.submit(), await api.submit(user="bob"), await api.submit()
    await seen(api, second["id"], AVAILABLE)
    await seen(api, third["id"], FINISHED)

    async def ids(query: str) -> list[str]:
        answer = await api.client().get(f"/api/v1/jobs?{query}")
        assert answer.status_code == 200
        return [job["id"] for job in answer.json()["items"]]

    assert await ids("") == [third["id"], second["id"], first["id"]]
    assert await ids("user=bob") == [second["id"]]
    assert await ids("user=nobody") == []
    assert await ids("state=available") == [second["id"]]
    assert await ids("state=finished") == [third["id"]]
    assert await ids("state=accepted&user=alice") == [first["id"]]
    assert await ids("application=probe&cluster=main") == [third["id"], second["id"], first["id"]]
    assert await ids("application=other") == await ids("cluster=other") == []


async def test_pages_hold_each_job_once_though_others_come(api: Service) -> None:
    jobs = [await api.submit() for _ in range(5)]
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (
            await api.client().get("/api/v1/jobs", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        ).json()
        assert len(page["items"]) <= 2
        found += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
        await api.submit()
    assert found == [job["id"] for job in reversed(jobs)]


async def test_a_cursor_of_another_history_is_none_of_ours(api: Service) -> None:
    """Etcd was restored since, or somebody made it up: to wait for it would be to wait for ever."""
    job = await api.submit()
    future = str(Cursor(api.context.state.specs.revision + 1_000_000, job["id"]))
    answer = await api.client().get("/api/v1/jobs", params={"cursor": future})
    assert (answer.status_code, problem(answer)["errors"][0]["pointer"]) == (422, "/cursor")


async def test_a_full_last_page_has_no_next(api: Service) -> None:
    for _ in range(2):
        await api.submit()
    assert (await api.client().get("/api/v1/jobs?limit=2")).json()["next_cursor"] is None


async def test_an_available_job_is_opened_with_a_secret_in_the_fragment(api: Service) -> None:
    job = await api.submit()
    await seen(api, job["id"], AVAILABLE)
    answer = await api.client().get(f"/api/v1/jobs/{job['id']}/access")
    password = access_password((await api.records("secrets"))[job["id"]].value)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "url": f"http://gw1.example.org:50007/lab#password={password}",
        "password": password,
        "native": None,
        "form": None,
        "admission": "open",
        "view_only": False,
    }
    everything = (await api.client().get("/api/v1/jobs")).text + (await api.client().get("/metrics")).text
    assert password not in everything


@pytest.mark.parametrize("status", [None, AVAILABLE.model_copy(update={"phase": Phase.RUNNING}), FINISHED])
async def test_a_job_that_is_not_available_is_not_opened(api: Service, status: JobStatus | None) -> None:
    job = await api.submit()
    if status:
        await seen(api, job["id"], status)
    answer = await api.client().get(f"/api/v1/jobs/{job['id']}/access")
    assert (answer.status_code, problem(answer)["type"]) == (409, "/problems/job-not-available")
