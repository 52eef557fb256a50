"""Starting jobs: what is stored, and that a repeated request makes no second one."""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bwvisu.adapters.bundles import Source
from bwvisu.adapters.etcd import Delete, Put
from bwvisu.adapters.records import decode
from bwvisu.domain.job import JobSpec
from bwvisu.domain.naming import ULID
from tests.contract.api.conftest import APP
from tests.contract.api.service import Service
from tests.contract.api.test_bad_input import problem

JOB = {"user": "alice", "application": "probe", "parameters": {"minutes": 30}}


async def test_a_job_is_accepted_and_shown_where_its_location_says(api: Service) -> None:
    answer = await api.client().post("/api/v1/jobs", json=JOB)
    assert answer.status_code == 201
    job = answer.json()
    assert ULID.fullmatch(job["id"])
    assert answer.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert answer.headers["etag"] == f'"{job["revision"]}"'
    assert (await api.client().get(answer.headers["location"])).json() == job
    created_at = job.pop("created_at")
    assert datetime.fromisoformat(created_at).utcoffset() is not None
    assert created_at.endswith("Z")
    assert job == {
        "id": job["id"],
        "user": "alice",
        "application": "probe",
        "cluster": "main",
        "parameters": {"minutes": 30, "text": "hello", "colour": "red", "flag": False},
        "wanted": "running",
        "state": "accepted",
        "outcome": None,
        "reason": None,
        "services": [],
        "slurm": None,
        "extension": None,
        "idle": None,
        "moved_at": None,
        "timeline": [{"state": "accepted", "at": created_at}],
        "exit_code": None,
        "revision": job["revision"],
    }


async def test_spec_secret_and_bundle_are_stored_at_one_revision(api: Service) -> None:
    job = await api.submit()
    entries = [
        (await api.records("specs"))[job["id"]],
        (await api.records("secrets"))[job["id"]],
        *(await api.records("bundles")).values(),
    ]
    assert {entry.mod_revision for entry in entries} == {job["revision"]}
    spec = decode(JobSpec, entries[0].value)
    assert (spec.created_by, spec.services[0].name, len(entries[1].value)) == ("portal", "web", 32)
    assert Source.parse(entries[2].value, spec.bundle).name == "probe"


async def test_a_bundle_is_stored_once_and_each_secret_is_its_own(api: Service) -> None:
    jobs = [await api.submit() for _ in range(3)]
    assert len(await api.records("bundles")) == 1
    secrets = await api.records("secrets")
    assert set(secrets) == {job["id"] for job in jobs}
    assert len({entry.value for entry in secrets.values()}) == 3


async def test_a_bundle_that_vanished_from_the_store_is_stored_again(api: Service) -> None:
    first = await api.submit()
    digest = next(iter(await api.records("bundles")))
    await _delete(api, api.context.state.keys.bundle(digest))
    second = await api.submit()
    assert set(await api.records("bundles")) == {digest}
    assert first["id"] != second["id"]


async def test_without_a_key_two_requests_are_two_jobs(api: Service) -> None:
    first, second = await api.submit(), await api.submit()
    assert first["id"] != second["id"]
    assert await api.records("idempotency") == {}


async def test_the_same_key_and_body_give_the_same_job(api: Service) -> None:
    first = await api.client().post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "k 1/../x"})
    reordered = json.dumps({key: JOB[key] for key in reversed(JOB)}, indent=4)
    again = await api.client().post(
        "/api/v1/jobs", content=reordered, headers={"Idempotency-Key": "k 1/../x", "Content-Type": "application/json"}
    )
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert len(await api.records("specs")) == 1


SAME: dict[str, dict[str, Any]] = {
    "30.0 is 30": {**JOB, "parameters": {"minutes": 30.0}},
    "a default spelt out": {**JOB, "parameters": {"minutes": 30, "text": "hello", "flag": False}},
    "the cluster spelt out": {**JOB, "cluster": "main"},
    "null is nothing": {**JOB, "cluster": None},
}
OTHER: dict[str, dict[str, Any]] = {
    "another value": {**JOB, "parameters": {"minutes": 31}},
    "another than the default": {**JOB, "parameters": {"minutes": 30, "flag": True}},
    "the default instead": {**JOB, "parameters": {}},
    "another user": {**JOB, "user": "bob"},
    "another application": {**JOB, "application": "probes"},
    "a request that would be refused": {**JOB, "parameters": {"minutes": 61}},
}


@pytest.mark.parametrize("body", SAME.values(), ids=SAME)
async def test_a_request_that_means_the_same_is_the_same(api: Service, body: dict[str, Any]) -> None:
    first = await api.client().post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "k"})
    again = await api.client().post("/api/v1/jobs", json=body, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()) == (200, first.json())
    assert set(await api.records("specs")) == {first.json()["id"]}


@pytest.mark.parametrize("body", OTHER.values(), ids=OTHER)
async def test_a_request_that_means_something_else_is_another(api: Service, body: dict[str, Any]) -> None:
    first = await api.client().post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "k"})
    other = await api.client().post("/api/v1/jobs", json=body, headers={"Idempotency-Key": "k"})
    assert (other.status_code, problem(other)["type"]) == (422, "/problems/idempotency-key-reused")
    assert set(await api.records("specs")) == {first.json()["id"]}


async def test_a_request_means_what_it_meant_when_it_was_taken(api: Service, bundles: Path) -> None:
    """A default that changes meanwhile makes another request neither of the same words nor of the same meaning."""
    body = {"user": "alice", "application": "probe"}
    first = await api.client().post("/api/v1/jobs", json=body, headers={"Idempotency-Key": "k"})
    (bundles / "probe/app.yaml").write_text(APP.replace("default: 15", "default: 20"))
    api.context.catalogue.refresh()
    for parameters, status in (({}, 200), ({"minutes": 15}, 200), ({"minutes": 20}, 422)):
        again = {**body, "parameters": parameters}
        answer = await api.client().post("/api/v1/jobs", json=again, headers={"Idempotency-Key": "k"})
        assert answer.status_code == status, parameters
    assert set(await api.records("specs")) == {first.json()["id"]}


async def test_a_key_that_an_earlier_version_has_stored_still_counts(api: Service) -> None:
    first = await api.client().post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "k"})
    ((_, entry),) = (await api.records("idempotency")).items()
    record = json.loads(entry.value)
    del record["meaning"]
    await api.context.state.store.commit([], [Put(entry.key, json.dumps(record).encode())])
    for body, status in ((JOB, 200), (SAME["30.0 is 30"], 422)):
        again = await api.client().post("/api/v1/jobs", json=body, headers={"Idempotency-Key": "k"})
        assert again.status_code == status
    assert set(await api.records("specs")) == {first.json()["id"]}


async def test_keys_belong_to_their_client(api: Service) -> None:
    mine = await api.client("portal").post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "k"})
    theirs = await api.client("other").post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "k"})
    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json()["id"] != theirs.json()["id"]


async def test_twenty_at_once_with_one_key_make_one_job(api: Service) -> None:
    async def post() -> tuple[int, str]:
        answer = await api.client().post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "at once"})
        return answer.status_code, answer.json()["id"]

    answers = await asyncio.gather(*(post() for _ in range(20)))
    assert sorted(status for status, _ in answers) == [200] * 19 + [201]
    assert {job_id for _, job_id in answers} == set(await api.records("specs")) == set(await api.records("secrets"))
    assert len(await api.records("specs")) == 1


async def test_a_key_is_answered_even_when_the_request_would_be_refused_today(api: Service, bundles: Path) -> None:
    first = await api.client().post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "k"})
    (bundles / "probe").rename(bundles.parent / "elsewhere")
    api.context.catalogue.refresh()
    assert (await api.client().post("/api/v1/jobs", json=JOB)).status_code == 422
    again = await api.client().post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])


async def test_the_idempotency_record_and_the_question_hang_on_a_lease(api: Service) -> None:
    await api.client().post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "k"})
    entries = [*(await api.records("idempotency")).values(), *(await api.records("lookups")).values()]
    assert len(entries) == 2
    assert all(entry.lease for entry in entries)
    assert len({entry.lease for entry in entries}) == 1
    assert all(entry.lease == 0 for entry in (await api.records("specs")).values())


async def test_nobody_answers_about_the_user_so_the_job_is_accepted_and_judged_later(api: Service) -> None:
    began = asyncio.get_running_loop().time()
    job = await api.submit(user="carol")
    assert 1.5 < asyncio.get_running_loop().time() - began < 15
    assert job["state"] == "accepted"
    assert set(await api.records("lookups")) == {"main/carol"}


async def test_a_known_user_is_asked_about_once(api: Service) -> None:
    await api.submit()
    asked = (await api.records("lookups"))["main/alice"].mod_revision
    await api.submit()
    assert (await api.records("lookups"))["main/alice"].mod_revision == asked


@pytest.mark.parametrize("text", ["$(id)", "`id`; rm -rf /", "a'b\"c", "ü €", "-n", "{{ text }}", ""])
async def test_text_is_kept_as_it_is(api: Service, text: str) -> None:
    job = await api.submit(parameters={"text": text})
    assert job["parameters"]["text"] == text
    spec = decode(JobSpec, (await api.records("specs"))[job["id"]].value)
    assert spec.parameters["text"] == text


async def _delete(api: Service, key: str) -> None:
    await api.context.state.store.commit([], [Delete(key)])
