"""How jobs end on a real cluster, and why they wait: each in the words that their owner reads."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bwvisu.cli.local import LocalService, until
from bwvisu.sandbox import Sandbox
from tests.support.world import Person, etcd_keys, service_in, slurm_jobs


@pytest.fixture(scope="module")
def service(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    folder: Path = tmp_path_factory.mktemp("outcomes")
    templates = {"path": str(Path(__file__).parent.parent / "support/templates")}
    with service_in(sandbox, folder, applications=templates) as service:
        service.start()
        service.wait_until_ready(120)
        yield service


@pytest.fixture(scope="module")
def client(service: LocalService) -> Iterator[httpx2.Client]:
    with service.client() as client:
        yield client


@pytest.fixture
def alice(client: httpx2.Client) -> Person:
    return Person(client)


EATER = "exec tail /dev/zero"

ENDS: dict[str, tuple[dict[str, Any], str, str, int | None]] = {
    "by itself": ({"line": "true"}, "completed", "completed", 0),
    "with an exit code": ({"line": "exit 3"}, "failed", "exit-code", 3),
    "by a signal": ({"line": "kill -9 $$"}, "failed", "killed-by-signal", None),
    "out of memory": ({"line": EATER, "memory": 100}, "out_of_memory", "out-of-memory", None),
    "refused by Slurm": ({"line": "true", "partition": "nowhere"}, "rejected", "rejected-by-slurm", None),
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
    job = alice.wait(alice.submit("command", line="sleep 600"), "available")
    assert sandbox.run("cmd1", ["scancel", str(job["slurm"]["job_id"])]).returncode == 0
    job = alice.wait(job["id"], "finished")
    assert (job["outcome"], job["reason"]["code"]) == ("cancelled", "cancelled-on-cluster")


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


def test_a_user_whom_sudo_does_not_let_in_is_rejected_with_its_words(client: httpx2.Client) -> None:
    person = Person(client, "mallory")
    job = person.wait(person.submit("command", line="true"), "finished")
    assert (job["outcome"], job["reason"]["code"]) == ("rejected", "not-permitted")
    assert job["slurm"] is None


@pytest.mark.parametrize(
    ("user", "slug"), [("ghost", "unknown-user"), ("root", "user-not-allowed"), ("daemon", "user-not-allowed")]
)
def test_who_may_not_run_jobs_is_told_at_once_and_nothing_is_stored(
    client: httpx2.Client, service: LocalService, user: str, slug: str
) -> None:
    """At once: when the cluster has been asked, which a busy one may answer later than a POST waits for."""
    until(lambda: client.get(f"/api/v1/clusters/main/users/{user}").status_code == 404, 60, "it is known")
    before = etcd_keys(service, "specs").keys()
    body = {"user": user, "application": "command", "parameters": {"line": "true"}}
    response = client.post("/api/v1/jobs", json=body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"].endswith(f"/problems/{slug}")
    assert response.json()["errors"][0]["pointer"] == "/user"
    assert etcd_keys(service, "specs").keys() == before
