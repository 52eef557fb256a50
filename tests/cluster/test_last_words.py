"""What a job's own client tells of it, on a real cluster: its start, its end, and the last lines of its log."""

from collections.abc import Iterator

import httpx2
import pytest

from bwvisu.cli.local import LocalService, until
from tests.support.world import Person

TRAPS = "trap 'echo saving >&2; exit 0' TERM; echo working; while :; do sleep 0.2; done"


@pytest.fixture(scope="module")
def alice(plain_service: LocalService) -> Iterator[Person]:
    with plain_service.client() as client:
        yield Person(client)


def log_of(person: Person, job_id: str) -> str:
    """What the API shows of a job's log; empty where it has none yet."""
    answer: httpx2.Response = person.client.get(f"/api/v1/jobs/{job_id}/log")
    assert answer.status_code in {200, 409}, answer.text
    return answer.text if answer.status_code == 200 else ""


def test_fault_24_an_application_that_fails_before_it_listens_says_so_with_its_last_words(alice: Person) -> None:
    line = 'echo "no licence for $USER, and my password is $PASSWORD" >&2; exit 3'
    job = alice.wait(alice.submit("served", line=line), "finished")
    assert (job["outcome"], job["reason"]["code"], job["exit_code"]) == ("failed", "never-listened", 3)
    assert log_of(alice, job["id"]).splitlines()[-1] == "no licence for alice, and my password is ********"


def test_a_job_without_ports_tells_its_last_words_too(alice: Person) -> None:
    job = alice.wait(alice.submit("command", line="echo no such file >&2; exit 3"), "finished")
    assert (job["outcome"], job["reason"]["code"], job["exit_code"]) == ("failed", "exit-code", 3)
    assert log_of(alice, job["id"]) == "no such file\n"


def test_fault_24_an_application_that_does_not_listen_in_time_is_reported_and_left_alone(alice: Person) -> None:
    job_id = alice.submit("served", line="echo loading a module >&2; sleep 600")
    until(lambda: (alice.job(job_id)["reason"] or {}).get("code") == "not-listening", 60, "it is told")
    until(lambda: "loading a module" in log_of(alice, job_id), 30, "the log is told")
    assert alice.job(job_id)["state"] == "running"
    alice.cancel(job_id)
    assert alice.wait(job_id, "finished")["outcome"] == "cancelled"


def test_a_job_that_is_cancelled_may_save_its_work_and_its_last_words_are_kept(alice: Person) -> None:
    """SIGTERM reaches the script beside its client, which outlives it."""
    job_id = alice.submit("served", line=TRAPS)
    until(lambda: "working" in log_of(alice, job_id), 60, "it works")
    alice.cancel(job_id)
    job = alice.wait(job_id, "finished")
    assert (job["outcome"], job["reason"]["code"]) == ("cancelled", "cancelled-by-user")
    assert log_of(alice, job_id).splitlines()[-1] == "saving"
