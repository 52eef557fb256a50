"""Another run time over HTTP: what is stored, what is waited for, what is refused.  The test plays the leader."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bwvisu.adapters.records import decode
from bwvisu.domain.job import Extension, ExtensionState, ExtensionStatus, JobSpec, JobStatus, Reason
from bwvisu.domain.lifecycle import Phase
from tests.contract.api.service import Service, cluster_settings, service
from tests.contract.api.test_bad_input import problem
from tests.contract.api.test_faults import Lossy
from tests.contract.api.test_jobs import AVAILABLE, seen, show
from tests.support.etcd import EtcdCluster
from tests.support.waiting import eventually_true

NOW = datetime(2100, 1, 1, tzinfo=UTC)
"""When jobs were started: never so long ago that a time which is asked for is over, however late a test comes."""
RUNS = AVAILABLE.model_copy(
    update={
        "slurm": AVAILABLE.slurm
        and AVAILABLE.slurm.model_copy(
            update={"started_at": NOW, "ends_at": NOW + timedelta(minutes=15), "time_limit": 900}
        )
    }
)


@pytest.fixture
async def api(etcd: EtcdCluster, bundles: Path) -> AsyncIterator[Service]:
    """A site that allows 45 minutes; the application's own maximum is 60."""
    clusters = {
        "main": cluster_settings(slurm={"extend": {"allowed": True, "maximum": "45m"}}),
        "long": cluster_settings(slurm={"extend": {"allowed": True}}),
        "strict": cluster_settings(),
    }
    async with service(etcd.endpoints, bundles, clusters=clusters) as running:
        running.leader.knows("alice", "bob")
        yield running


async def runs(api: Service, status: JobStatus = RUNS, **asked: Any) -> dict[str, Any]:
    """A job as the leader last saw it."""
    return await seen(api, (await api.submit(**asked))["id"], status)


async def patch(api: Service, job: dict[str, Any], minutes: Any, etag: str = "", **options: Any) -> httpx2.Response:
    headers = {"If-Match": etag or f'"{job["revision"]}"'}
    client = api.client(options.get("holder", "portal"))
    return await client.patch(f"/api/v1/jobs/{job['id']}", json={"minutes": minutes}, headers=headers)


async def wanted(api: Service, job: dict[str, Any]) -> Extension | None:
    return decode(JobSpec, (await api.records("specs"))[job["id"]].value).extension


async def asked(api: Service, job: dict[str, Any], number: int = 1) -> Extension:
    """What the leader finds."""
    found: list[Extension] = []

    async def there() -> bool:
        extension = await wanted(api, job)
        if extension is not None and extension.number == number:
            found.append(extension)
        return bool(found)

    await eventually_true(there)
    return found[0]


def answered(number: int, state: ExtensionState, reason: Reason | None = None, limit: int = 900) -> JobStatus:
    assert RUNS.slurm is not None
    slurm = RUNS.slurm.model_copy(update={"time_limit": limit, "ends_at": NOW + timedelta(seconds=limit)})
    known = ExtensionStatus(number=number, state=state, reason=reason)
    return RUNS.model_copy(update={"slurm": slurm, "extension": known})


def applied(number: int = 1, minutes: int = 30) -> JobStatus:
    return answered(number, ExtensionState.APPLIED, limit=minutes * 60)


async def test_more_time_is_there_when_it_is_answered(api: Service) -> None:
    job = await runs(api)
    assert (job["slurm"]["time_limit_minutes"], job["extension"]) == (15, None)
    asking = asyncio.create_task(patch(api, job, 30))
    extension = await asked(api, job)
    assert (extension.minutes, extension.asked_by) == (30, "portal")
    await api.leader.sees(job["id"], answered(1, ExtensionState.PENDING))
    await api.leader.sees(job["id"], applied())
    answer = await asking
    changed = answer.json()
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == f'"{changed["revision"]}"' != f'"{job["revision"]}"'
    assert changed["slurm"]["time_limit_minutes"] == 30
    assert datetime.fromisoformat(changed["slurm"]["ends_at"]) == NOW + timedelta(minutes=30)
    assert (changed["extension"]["minutes"], changed["extension"]["state"]) == (30, "applied")
    assert changed["parameters"]["minutes"] == 15, "as it was asked for at first"
    assert await show(api, job["id"]) == changed


async def test_slurms_no_is_the_answer(api: Service) -> None:
    job = await runs(api)
    asking = asyncio.create_task(patch(api, job, 30))
    await asked(api, job)
    no = Reason(code="not-permitted", message="The site has not granted it (sudo: a password is required).")
    await api.leader.sees(job["id"], answered(1, ExtensionState.REFUSED, no))
    answer = await asking
    assert (answer.status_code, problem(answer)["type"]) == (409, "/problems/not-extendable")
    assert answer.json()["detail"] == no.message
    shown = (await show(api, job["id"]))["extension"]
    assert (shown["state"], shown["reason"]["code"]) == ("refused", "not-permitted")
    again = asyncio.create_task(patch(api, await show(api, job["id"]), 30))
    assert (await asked(api, job, 2)).minutes == 30, "a refusal may be asked again"
    await api.leader.sees(job["id"], applied(2))
    assert (await again).status_code == 200


async def test_without_an_answer_in_time_it_is_accepted_and_shown_as_pending(api: Service) -> None:
    job = await runs(api)
    answer = await patch(api, job, 30)
    assert answer.status_code == 202
    assert (answer.json()["extension"]["state"], answer.json()["slurm"]["time_limit_minutes"]) == ("pending", 15)


async def test_the_same_request_again_is_one_request(api: Service) -> None:
    job = await runs(api)
    first = asyncio.create_task(patch(api, job, 30))
    await asked(api, job)
    again = asyncio.create_task(patch(api, job, 30))
    await asyncio.wait({again}, timeout=0.5)
    await api.leader.sees(job["id"], applied())
    assert [(await first).status_code, (await again).status_code] == [200, 200]
    assert (await patch(api, job, 30)).status_code == 200, "its answer was lost; what it knew is long past"
    assert (await patch(api, job, 30, "*")).status_code == 200
    assert (await patch(api, job, 30.0)).status_code == 200, "in JSON Schema this is the same integer"
    assert (await asked(api, job)).number == 1


async def test_a_job_that_is_over_has_no_more_time_even_if_it_was_given_before(api: Service) -> None:
    job = await runs(api)
    asking = asyncio.create_task(patch(api, job, 30))
    await asked(api, job)
    await api.leader.sees(job["id"], applied())
    assert (await asking).status_code == 200
    over = await seen(api, job["id"], applied().model_copy(update={"phase": Phase.FINISHED}))
    answer = await patch(api, over, 30)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-extendable")


async def test_another_time_takes_the_place_of_one_that_is_not_answered(api: Service) -> None:
    job = await runs(api)
    first = asyncio.create_task(patch(api, job, 30))
    await asked(api, job)
    second = asyncio.create_task(patch(api, job, 40, "*"))
    await asked(api, job, 2)
    await api.leader.sees(job["id"], applied(2, 40))
    for answer in (await first, await second):
        assert (answer.status_code, answer.json()["extension"]["minutes"]) == (200, 40)


async def test_the_version_that_is_meant_must_be_said(api: Service) -> None:
    job = await runs(api)
    answer = await api.client().patch(f"/api/v1/jobs/{job['id']}", json={"minutes": 30})
    assert (answer.status_code, problem(answer)["type"]) == (428, "/problems/precondition-required")
    assert await wanted(api, job) is None


@pytest.mark.parametrize("etag", ['"1"', 'W/"{revision}"', "{revision}", '"{revision}', '""', '"abc"', '"-1"', ","])
async def test_another_version_is_not_changed(api: Service, etag: str) -> None:
    job = await runs(api)
    answer = await patch(api, job, 30, etag.format(**job))
    assert (answer.status_code, problem(answer)["type"]) == (412, "/problems/precondition-failed")
    assert await wanted(api, job) is None


async def test_a_job_that_moved_meanwhile_is_not_changed_unless_any_version_is_meant(api: Service) -> None:
    job = await runs(api)
    await api.leader.sees(job["id"], RUNS.model_copy(update={"phase": Phase.RUNNING}))
    assert (await patch(api, job, 30)).status_code == 412
    for etag in ("*", f'"7", "{job["revision"]}", *'):
        assert (await patch(api, job, 30, etag)).status_code == 202
    assert (await patch(api, await show(api, job["id"]), 31, "*")).status_code == 202


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"phase": Phase.SUBMITTING, "slurm": None, "services": ()}, "not in the cluster's queue yet"),
        ({"phase": Phase.ENDING}, "It is ending."),
        ({"phase": Phase.FINISHED}, "It is over."),
    ],
)
async def test_a_job_that_slurm_does_not_have_is_refused(api: Service, changes: dict[str, Any], words: str) -> None:
    job = await runs(api, RUNS.model_copy(update=changes))
    answer = await patch(api, job, 30)
    assert (answer.status_code, problem(answer)["type"]) == (409, "/problems/not-extendable")
    assert words in answer.json()["detail"]
    assert await wanted(api, job) is None


async def test_a_waiting_job_can_be_given_another_time(api: Service) -> None:
    job = await runs(api, RUNS.model_copy(update={"phase": Phase.QUEUED, "services": ()}))
    assert (await patch(api, job, 5)).status_code == 202


async def test_a_job_that_was_told_to_stop_is_refused(api: Service) -> None:
    job = await runs(api)
    stopped = (await api.client().delete(f"/api/v1/jobs/{job['id']}")).json()
    answer = await patch(api, stopped, 30)
    assert (answer.status_code, answer.json()["detail"]) == (409, "It was told to stop.")


async def test_to_stop_it_answers_what_is_asked(api: Service) -> None:
    job = await runs(api)
    asking = asyncio.create_task(patch(api, job, 30))
    await asked(api, job)
    await api.client().delete(f"/api/v1/jobs/{job['id']}")
    assert (await asking).status_code == 409


@pytest.mark.parametrize(
    ("cluster", "minutes", "words"),
    [
        ("main", 46, "This cluster allows at most 45 minutes."),
        ("long", 61, "Probe allows at most 60 minutes."),
        ("strict", 30, "This cluster does not let a job's run time be changed."),
    ],
)
async def test_more_than_is_allowed_is_refused(api: Service, cluster: str, minutes: int, words: str) -> None:
    job = await runs(api, cluster=cluster)
    answer = await patch(api, job, minutes)
    assert (answer.status_code, problem(answer)["type"], answer.json()["detail"]) == (
        409,
        "/problems/not-extendable",
        words,
    )
    assert await wanted(api, job) is None


async def test_a_time_that_is_over_already_is_refused(api: Service) -> None:
    assert RUNS.slurm is not None
    long_ago = RUNS.slurm.model_copy(update={"started_at": datetime.now(UTC) - timedelta(minutes=10)})
    job = await runs(api, RUNS.model_copy(update={"slurm": long_ago}))
    answer = await patch(api, job, 10)
    assert (answer.status_code, "run for longer" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    "minutes", [0, -1, 525_601, 2**70, 1.5, 1e308, "30", True, None, [30], {"a": 1}, "30; scancel 7"]
)
async def test_what_is_no_time_is_bad_input(api: Service, minutes: Any) -> None:
    job = await runs(api)
    answer = await patch(api, job, minutes)
    assert (answer.status_code, problem(answer)["type"]) == (422, "/problems/invalid-input")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/minutes"]
    assert await wanted(api, job) is None


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"minutes": 30, "user": "bob"}', b'{"minutes"', b"\xff"])
async def test_only_minutes_can_be_said(api: Service, body: bytes) -> None:
    job = await runs(api)
    headers = {"If-Match": "*", "Content-Type": "application/json"}
    answer = await api.client().patch(f"/api/v1/jobs/{job['id']}", content=body, headers=headers)
    assert answer.status_code in {400, 422}
    problem(answer)
    assert await wanted(api, job) is None


@pytest.mark.parametrize("job_id", ["01jd0000000000000000000000", "x", "..%2f..", "%00"])
async def test_a_job_that_is_not_there_is_not_found(api: Service, job_id: str) -> None:
    answer = await patch(api, {"id": job_id, "revision": 1}, 30)
    assert answer.status_code == 404


async def test_other_peoples_jobs_do_not_exist_and_readers_may_not(api: Service) -> None:
    job = await runs(api, user="bob")
    assert problem(await patch(api, job, 30, holder="alices"))["type"] == "/problems/job-not-found"
    assert problem(await patch(api, job, 30, holder="reader"))["type"] == "/problems/scope-missing"
    assert await wanted(api, job) is None


@pytest.mark.parametrize(("answers", "questions"), [(1, 0), (3, 0), (0, 2)])
async def test_a_write_that_is_in_doubt_is_one_request(
    etcd: EtcdCluster, bundles: Path, answers: int, questions: int
) -> None:
    wires: list[Lossy] = []

    def wire(store: Any) -> Lossy:
        wires.append(Lossy(store))
        return wires[0]

    clusters = {"main": cluster_settings(slurm={"extend": {"allowed": True}})}
    async with service(etcd.endpoints, bundles, wire=wire, clusters=clusters) as api:
        api.leader.knows("alice")
        job = await runs(api)
        wires[0].answers, wires[0].questions = answers, questions
        asking = asyncio.create_task(patch(api, job, 30))
        await asked(api, job)
        for arrive in wires[0].late:
            await arrive()
        await api.leader.sees(job["id"], applied())
        assert (await asking).status_code == 200
        assert (await asked(api, job)).number == 1


async def test_a_write_whose_fate_stays_unknown_is_told(etcd: EtcdCluster, bundles: Path) -> None:
    wires: list[Lossy] = []

    def wire(store: Any) -> Lossy:
        wires.append(Lossy(store))
        return wires[0]

    clusters = {"main": cluster_settings(slurm={"extend": {"allowed": True}})}
    async with service(etcd.endpoints, bundles, wire=wire, clusters=clusters) as api:
        api.leader.knows("alice")
        job = await runs(api)
        wires[0].questions = 4
        answer = await patch(api, job, 30)
        assert (answer.status_code, problem(answer)["type"]) == (503, "/problems/unavailable")
