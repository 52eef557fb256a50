"""How jobs end on a real cluster, and why they wait: each in the words that their owner reads."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from bwvisu.cli.local import LocalService, until
from bwvisu.sandbox import Sandbox
from tests.support.cluster import OPERATIONS
from tests.support.world import Person, etcd_keys, partition, slurm_jobs


@pytest.fixture(scope="module")
def client(plain_service: LocalService) -> Iterator[httpx2.Client]:
    with plain_service.client() as client:
        yield client


@pytest.fixture
def alice(client: httpx2.Client) -> Person:
    return Person(client)


EATER = "exec tail /dev/zero"
GPUS = "gres=gpu:4"
"""All that the sandbox has."""

ENDS: dict[str, tuple[dict[str, Any], str, str, int | None]] = {
    "by itself": ({"line": "true"}, "completed", "completed", 0),
    "with an exit code": ({"line": "exit 3"}, "failed", "exit-code", 3),
    "by a signal": ({"line": "kill -9 $$"}, "failed", "killed-by-signal", None),
    "out of memory": ({"line": EATER, "memory": 100}, "out_of_memory", "out-of-memory", None),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_job_ends(alice: Person, how: str) -> None:
    parameters, outcome, code, exit_code = ENDS[how]
    job = alice.wait(alice.submit("command", **parameters), "finished")
    assert (job["outcome"], job["reason"]["code"]) == (outcome, code), job
    if exit_code is not None:
        assert job["exit_code"] == exit_code
    assert job["reason"]["message"]


def test_a_job_for_a_partition_of_others_is_rejected_in_slurms_words(client: httpx2.Client) -> None:
    bob = Person(client, "bob")
    job = bob.wait(bob.submit("command", line="true", partition="group"), "finished")
    assert (job["outcome"], job["reason"]["code"]) == ("rejected", "rejected-by-slurm")
    assert "not permitted" in job["reason"]["message"]


def test_a_job_cancelled_on_the_cluster_says_so(alice: Person, sandbox: Sandbox) -> None:
    job = alice.wait(alice.submit("command", line="exec sleep 600"), "available")
    assert sandbox.run("cmd1", ["scancel", str(job["slurm"]["job_id"])]).returncode == 0
    job = alice.wait(job["id"], "finished")
    assert (job["outcome"], job["reason"]["code"]) == ("cancelled", "cancelled-on-cluster")


def test_a_job_that_an_administrator_stops_says_who(alice: Person, plain_service: LocalService) -> None:
    job = alice.wait(alice.submit("command", line="exec sleep 600"), "available")
    with plain_service.client() as operations:
        operations.headers["Authorization"] = f"Bearer {OPERATIONS}"
        Person(operations).cancel(job["id"])
    job = alice.wait(job["id"], "finished")
    assert (job["outcome"], job["reason"]["code"]) == ("cancelled", "cancelled-by-administrator")
    assert "by operations, not by its owner" in job["reason"]["message"]


def test_a_job_that_makes_room_for_a_more_urgent_one_says_so(alice: Person, sandbox: Sandbox) -> None:
    low, high = (f"partition={name} {GPUS}" for name in ("idle", "urgent"))
    with partition(sandbox, "idle", "PreemptMode=CANCEL"), partition(sandbox, "urgent", "PriorityTier=2"):
        displaced = alice.wait(alice.submit("command", line="exec sleep 600", options=low), "available")
        urgent = alice.submit("command", line="true", options=high)
        job = alice.wait(displaced["id"], "finished")
        assert alice.wait(urgent, "finished")["outcome"] == "completed"
    assert (job["outcome"], job["reason"]["code"]) == ("cancelled", "preempted")


def test_a_job_that_slurm_gives_up_while_it_waits_says_why(alice: Person) -> None:
    """One's condition can never hold; another cannot start in time to meet its deadline, since GPUs are in use."""
    failed = alice.wait(alice.submit("command", line="false"), "finished")["slurm"]["job_id"]
    holder = alice.wait(alice.submit("command", line="exec sleep 600", options=GPUS), "available")
    reasons = {
        f"dependency=afterok:{failed} kill-on-invalid-dep=yes": ("cancelled", "dependency-never-satisfied"),
        f"time=1 deadline=now+65 {GPUS}": ("timeout", "deadline"),
    }
    jobs = {options: alice.submit("command", line="true", options=options) for options in reasons}
    ends = {options: alice.wait(job_id, "finished") for options, job_id in jobs.items()}
    assert {options: (job["outcome"], job["reason"]["code"]) for options, job in ends.items()} == reasons
    alice.cancel(holder["id"])
    alice.wait(holder["id"], "finished")


def test_a_job_whose_condition_can_never_hold_says_so_while_it_waits(alice: Person) -> None:
    failed = alice.wait(alice.submit("command", line="false"), "finished")["slurm"]["job_id"]
    job_id = alice.submit("command", line="true", options=f"dependency=afterok:{failed}")
    never = "slurm:DependencyNeverSatisfied"
    until(lambda: (alice.job(job_id)["reason"] or {}).get("code") == never, 60, "its owner is told")
    alice.cancel(job_id)
    assert alice.wait(job_id, "finished")["reason"]["code"] == "cancelled-by-user"


def test_a_job_in_a_closed_partition_says_why_it_waits_and_can_be_stopped(alice: Person, sandbox: Sandbox) -> None:
    job_id = alice.submit("command", line="true", partition="closed")
    until(lambda: (alice.job(job_id)["reason"] or {}).get("code") == "slurm:PartitionDown", 60, "the reason is told")
    assert "closed" in alice.job(job_id)["reason"]["message"]
    assert alice.job(job_id)["state"] == "submitted"
    alice.cancel(job_id)
    assert alice.wait(job_id, "finished")["outcome"] == "cancelled"
    assert not slurm_jobs(sandbox, job_id)


def test_a_user_without_a_home_learns_that_the_job_could_not_be_started(client: httpx2.Client) -> None:
    person = Person(client, "homeless")
    job = person.wait(person.submit("command", line="true"), "finished")
    assert (job["outcome"], job["reason"]["code"]) == ("failed", "launch-failed")


def test_a_job_whose_log_cannot_be_written_says_that_it_could_not_be_started(
    client: httpx2.Client, sandbox: Sandbox
) -> None:
    def home(mode: str) -> None:
        assert sandbox.run("cmd1", ["chmod", mode, "/home/carol"]).returncode == 0

    carol = Person(client, "carol")
    home("500")
    try:
        job = carol.wait(carol.submit("command", line="true"), "finished")
    finally:
        home("700")
    assert (job["outcome"], job["reason"]["code"]) == ("failed", "launch-failed")
    assert "log" in job["reason"]["message"]


def test_a_user_whom_sudo_does_not_let_in_is_rejected_with_its_words(client: httpx2.Client) -> None:
    person = Person(client, "mallory")
    job = person.wait(person.submit("command", line="true"), "finished")
    assert (job["outcome"], job["reason"]["code"]) == ("rejected", "not-permitted")
    assert job["slurm"] is None


@pytest.mark.parametrize(
    ("user", "slug"), [("ghost", "unknown-user"), ("root", "user-not-allowed"), ("daemon", "user-not-allowed")]
)
def test_who_may_not_run_jobs_is_told_at_once_and_nothing_is_stored(
    client: httpx2.Client, plain_service: LocalService, user: str, slug: str
) -> None:
    """At once: when the cluster has been asked, which a busy one may answer later than a POST waits for."""
    until(lambda: client.get(f"/api/v1/clusters/main/users/{user}").status_code == 404, 60, "it is known")
    before = etcd_keys(plain_service, "specs").keys()
    body = {"user": user, "application": "command", "parameters": {"line": "true"}}
    response = client.post("/api/v1/jobs", json=body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"].endswith(f"/problems/{slug}")
    assert response.json()["errors"][0]["pointer"] == "/user"
    assert etcd_keys(plain_service, "specs").keys() == before
