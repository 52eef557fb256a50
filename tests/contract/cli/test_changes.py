"""What changes something is asked for once, however often it must be tried."""

import json
from typing import Any

import pytest
from starlette.responses import JSONResponse

from tests.support.program import at, piped
from tests.support.small_api import JOB_ID, SmallApi, job, problem

PROPERTIES = {"minutes": {"type": "integer", "title": "Run time"}}
RUNNING = job(state="running", slurm={"ends_at": "2026-11-22T15:00:00Z"})


@pytest.fixture
def known(api: SmallApi) -> SmallApi:
    api.says("GET /applications/terminal", {"parameters": {"properties": PROPERTIES, "required": []}})
    return api


def bodies(api: SmallApi, call: str) -> list[Any]:
    return [json.loads(body) for asked, _, body in api.asked if asked == call]


def test_a_submission_is_tried_again_with_the_same_key(known: SmallApi) -> None:
    known.says("POST /jobs", problem(503, "unavailable", "etcd is away", after=1), JSONResponse(job(), 201))
    ran = piped("job", "submit", "terminal", "-p", "minutes=5", **at(known))
    assert (ran.returncode, ran.stdout) == (0, f"{JOB_ID}\n")
    assert ran.stderr == "etcd is away; trying again for 30 s\n"
    first, second = known.headers("POST /jobs")
    assert first["idempotency-key"] == second["idempotency-key"]
    wanted = {"user": "alice", "application": "terminal", "parameters": {"minutes": 5}}
    assert bodies(known, "POST /jobs") == [wanted, wanted]


def test_two_submissions_are_two_jobs(known: SmallApi) -> None:
    known.says("POST /jobs", JSONResponse(job(), 201))
    for _ in range(2):
        assert piped("job", "submit", "terminal", **at(known)).returncode == 0
    assert len({headers["idempotency-key"] for headers in known.headers("POST /jobs")}) == 2


def test_who_gives_up_is_told_the_key(known: SmallApi) -> None:
    known.says("POST /jobs", problem(503, "unavailable", "etcd is away", after=60))
    ran = piped("job", "submit", "terminal", **at(known))
    key = known.headers("POST /jobs")[0]["idempotency-key"]
    assert ran.returncode == 3
    assert f"--idempotency-key {key}" in ran.stderr


def test_wrong_values_are_told_by_their_labels(known: SmallApi) -> None:
    faults = [{"pointer": "/parameters/minutes", "detail": "\x1b[2Jtoo few"}, {"pointer": "/user", "detail": "who?"}]
    known.says("POST /jobs", problem(422, "invalid-input", "x", errors=faults))
    ran = piped("job", "submit", "terminal", "-p", "minutes=1", **at(known))
    assert (ran.returncode, ran.stderr.splitlines()) == (1, [r"Run time: \x1b[2Jtoo few", "--user: who?"])


def read(revision: int) -> JSONResponse:
    return JSONResponse(RUNNING, headers={"ETag": f'"{revision}"'})


def extend(api: SmallApi, *answers: Any) -> tuple[int, str, list[str]]:
    """Code, what was said, and which revisions were meant."""
    api.says(f"GET /jobs/{JOB_ID}", read(1), read(2))
    api.says(f"PATCH /jobs/{JOB_ID}", *answers)
    ran = piped("job", "extend", JOB_ID, "--minutes", "90", **at(api))
    assert all(body == {"minutes": 90} for body in bodies(api, f"PATCH /jobs/{JOB_ID}"))
    return ran.returncode, ran.stdout + ran.stderr, [each["if-match"] for each in api.headers(f"PATCH /jobs/{JOB_ID}")]


def test_more_time_is_asked_for_of_the_job_as_it_was_read(api: SmallApi) -> None:
    code, told, meant = extend(api, RUNNING)
    assert (code, meant) == (0, ['"1"'])
    assert told.startswith(f"{JOB_ID}: running: Until ")


def test_more_time_may_take_a_while(api: SmallApi) -> None:
    code, told, _ = extend(api, JSONResponse(RUNNING, 202))
    assert (code, told) == (0, f"{JOB_ID}: asked for; the cluster has not answered yet\n")


def test_a_job_that_has_moved_on_is_read_again_once(api: SmallApi) -> None:
    stale = problem(412, "precondition-failed", "the job has changed")
    assert extend(api, stale, RUNNING)[::2] == (0, ['"1"', '"2"'])
    api.asked.clear()
    assert extend(api, stale) == (1, "the job has changed\n", ['"1"', '"2"'])


def test_no_more_time_is_said_in_the_sites_words(api: SmallApi) -> None:
    refused = problem(409, "not-extendable", "This site does not change run times.")
    assert extend(api, refused)[:2] == (1, "This site does not change run times.\n")


def test_a_log_that_is_not_there_is_said_in_the_apis_words(api: SmallApi) -> None:
    for status, words in ((404, "the job has reported no lines yet"), (501, "logs are not kept here")):
        api.says(f"GET /jobs/{JOB_ID}/log", problem(status, "no-log-yet", words))
        ran = piped("job", "log", JOB_ID, **at(api))
        assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", f"{words}\n")
