"""A frontend acts for a person: exactly as if the person's own token had been sent, and both are named."""

import pytest
from structlog.testing import capture_logs

from bwvisu.adapters.records import decode
from bwvisu.domain.job import JobSpec
from tests.contract.api.service import Service
from tests.contract.api.test_bad_input import GOOD, problem
from tests.contract.api.test_jobs import AVAILABLE, seen

ALICE = {"X-On-Behalf-Of": "alice"}


async def test_other_peoples_jobs_do_not_exist_for_a_person(api: Service) -> None:
    mine, theirs = await api.submit(user="alice"), await api.submit(user="bob")
    portal = api.client()
    assert (await portal.get(f"/api/v1/jobs/{mine['id']}", headers=ALICE)).status_code == 200
    for method, tail in (("GET", ""), ("DELETE", ""), ("GET", "/access")):
        answer = await portal.request(method, f"/api/v1/jobs/{theirs['id']}{tail}", headers=ALICE)
        assert (answer.status_code, problem(answer)["type"]) == (404, "/problems/job-not-found")
    assert [job["id"] for job in (await portal.get("/api/v1/jobs", headers=ALICE)).json()["items"]] == [mine["id"]]
    assert (await portal.get("/api/v1/jobs?user=bob", headers=ALICE)).json()["items"] == []
    assert (await portal.get(f"/api/v1/jobs/{theirs['id']}")).json()["wanted"] == "running"


async def test_a_person_starts_stops_and_enters_their_own_job_and_nobody_elses(api: Service) -> None:
    refused = await api.client().post("/api/v1/jobs", json={**GOOD, "user": "bob"}, headers=ALICE)
    assert (refused.status_code, problem(refused)["type"]) == (403, "/problems/forbidden")
    job = (await api.client().post("/api/v1/jobs", json=GOOD, headers=ALICE)).json()
    spec = decode(JobSpec, (await api.records("specs"))[job["id"]].value)
    assert (spec.created_by, spec.created_for) == ("portal", "alice")
    await seen(api, job["id"], AVAILABLE)
    assert (await api.client().get(f"/api/v1/jobs/{job['id']}/access", headers=ALICE)).status_code == 200
    assert (await api.client().delete(f"/api/v1/jobs/{job['id']}", headers=ALICE)).status_code == 202
    assert decode(JobSpec, (await api.records("specs"))[job["id"]].value).stopped_by == "alice"


async def test_idempotency_keys_are_each_persons_own(api: Service) -> None:
    async def post(person: str, user: str, key: str) -> tuple[int, str]:
        headers = {"X-On-Behalf-Of": person, "Idempotency-Key": key}
        answer = await api.client().post("/api/v1/jobs", json={**GOOD, "user": user}, headers=headers)
        return answer.status_code, answer.json().get("type", "")

    assert (await post("alice", "alice", "1"), await post("bob", "bob", "1")) == ((201, ""), (201, ""))
    assert await post("bob", "bob", "2") == (201, "")
    assert await post("alice", "bob", "2") == (403, "/problems/forbidden")


@pytest.mark.parametrize("holder", ["reader", "alices-own"])
async def test_only_who_may_impersonate_names_a_person(api: Service, holder: str) -> None:
    for name in ("alice", "bob", "not a name", ""):
        answer = await api.client(holder).get("/api/v1/jobs", headers={"X-On-Behalf-Of": name})
        assert (answer.status_code, problem(answer)["type"]) == (403, "/problems/impersonation-missing"), name


@pytest.mark.parametrize(
    "name", ["", "root", "Alice", "alice; id", "../alice", "alice,bob", "a" * 33, "a" * 10_000, "ali\xe7e"]
)
async def test_what_is_no_name_is_refused(api: Service, name: str) -> None:
    answer = await api.client().post("/api/v1/jobs", json=GOOD, headers=[(b"X-On-Behalf-Of", name.encode("latin-1"))])
    assert (answer.status_code, problem(answer)["type"]) == (400, "/problems/bad-request")
    assert answer.json()["detail"] == "X-On-Behalf-Of must be one user name of a cluster"
    assert "errors" not in answer.json()
    assert await api.stored() == set()


async def test_two_names_are_none(api: Service) -> None:
    headers = [("X-On-Behalf-Of", "alice"), ("X-On-Behalf-Of", "alice")]
    assert (await api.client().get("/api/v1/jobs", headers=headers)).status_code == 400


async def test_a_bound_token_names_nobody_else(api: Service) -> None:
    alice = api.client("alices")
    assert (await alice.get("/api/v1/jobs", headers=ALICE)).status_code == 200
    answer = await alice.get("/api/v1/jobs", headers={"X-On-Behalf-Of": "bob"})
    assert (answer.status_code, problem(answer)["type"]) == (403, "/problems/forbidden")


async def test_the_audit_names_both(api: Service) -> None:
    with capture_logs() as lines:
        job = (await api.client().post("/api/v1/jobs", json=GOOD, headers=ALICE)).json()
        await api.client().delete(f"/api/v1/jobs/{job['id']}")
        await api.client().post("/api/v1/jobs", json=GOOD, headers={"X-On-Behalf-Of": "not a name"})
    told = [
        (line["action"], line["result"], line["by"], line["behalf_of"]) for line in lines if line["event"] == "audit"
    ]
    assert told == [
        ("createJob", "accepted", "portal", "alice"),
        ("cancelJob", "accepted", "portal", None),
        ("createJob", "refused", "portal", None),
    ]
