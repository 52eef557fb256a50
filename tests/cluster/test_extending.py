"""A job really gets more time: by scontrol, as the site's line for sudo allows it, and nothing else by that line."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bwvisu.cli.local import until
from bwvisu.sandbox import Sandbox
from tests.support.world import Person, address, fetch, leave_whole, service_in

AS_MIDDLEWARE = ("setpriv", "--reuid", "bwvisu", "--regid", "bwvisu", "--init-groups", "--reset-env")


@contextmanager
def alice_at(sandbox: Sandbox, folder: Path, **extend: Any) -> Iterator[Person]:
    with service_in(sandbox, folder, {"slurm": {"extend": extend}}) as service:
        service.start()
        service.wait_until_ready(120)
        with service.client() as client:
            yield Person(client)
            leave_whole(service, client)


@pytest.fixture(scope="module")
def alice(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    with alice_at(sandbox, tmp_path_factory.mktemp("extending"), maximum="10h") as person:
        yield person


def patch(person: Person, job: dict[str, Any], minutes: int, etag: str = "") -> httpx2.Response:
    headers = {"If-Match": etag or f'"{job["revision"]}"'}
    return person.client.patch(f"/api/v1/jobs/{job['id']}", json={"minutes": minutes}, headers=headers)


def extended(person: Person, job: dict[str, Any], minutes: int) -> dict[str, Any]:
    """The job, read and given another time; a busy cluster may answer later than the API waits for it (202)."""
    answer = patch(person, person.job(job["id"]), minutes)
    assert answer.status_code in {200, 202}, answer.text

    def applied() -> bool:
        known = person.job(job["id"])["extension"] or {}
        return (known.get("minutes"), known.get("state")) == (minutes, "applied")

    until(applied, 60, "it is applied")
    return person.job(job["id"])


def record(sandbox: Sandbox, job: dict[str, Any]) -> dict[str, str]:
    """What scontrol shows; times are Unix seconds."""
    argv = ["env", "SLURM_TIME_FORMAT=%s", "scontrol", "--oneliner", "show", "job", str(job["slurm"]["job_id"])]
    shown = sandbox.run("cmd1", argv)
    assert shown.returncode == 0, shown.stderr
    return dict(word.partition("=")[::2] for word in shown.stdout.split() if "=" in word)


def test_a_running_job_gets_more_time_and_its_page_stays(alice: Person, sandbox: Sandbox) -> None:
    job = alice.wait(alice.submit(text="more", minutes=5), "available")
    before = record(sandbox, job)
    assert before["TimeLimit"] == "00:05:00"
    assert job["slurm"]["time_limit_minutes"] == 5

    changed = extended(alice, job, 90)
    after = record(sandbox, job)
    assert after["TimeLimit"] == "01:30:00"
    assert int(after["EndTime"]) == int(before["EndTime"]) + 85 * 60
    assert changed["slurm"]["time_limit_minutes"] == 90
    assert changed["extension"]["state"] == "applied"
    assert datetime.fromisoformat(changed["slurm"]["ends_at"]) == datetime.fromtimestamp(int(after["EndTime"]), UTC)
    assert changed["state"] == "available"
    assert "more" in fetch(sandbox, address(changed))

    extended(alice, job, 30)
    assert record(sandbox, job)["TimeLimit"] == "00:30:00"
    assert patch(alice, job, 40).status_code == 412
    assert "more" in fetch(sandbox, address(job))
    alice.cancel(job["id"])


def test_a_waiting_job_is_given_another_time(alice: Person, sandbox: Sandbox) -> None:
    job = alice.wait(alice.submit(minutes=5, partition="closed"), "submitted")
    extended(alice, job, 20)
    assert record(sandbox, job)["TimeLimit"] == "00:20:00"
    alice.cancel(job["id"])
    alice.wait(job["id"], "finished")
    over = patch(alice, job, 30, "*")
    assert (over.status_code, over.json()["type"], over.json()["detail"]) == (
        409,
        "/problems/not-extendable",
        "It is over.",
    )


def test_what_slurm_did_not_hear_it_is_told_when_it_is_back(alice: Person, sandbox: Sandbox) -> None:
    job = alice.wait(alice.submit(minutes=5), "available")
    sandbox.pause("slurmctld")
    try:
        answer = patch(alice, job, 50)
    finally:
        sandbox.resume("slurmctld")
    assert (answer.status_code, answer.json()["extension"]["state"]) == (202, "pending")
    until(lambda: alice.job(job["id"])["extension"]["state"] == "applied", 120, "it is applied")
    assert record(sandbox, job)["TimeLimit"] == "00:50:00"
    alice.cancel(job["id"])


def test_more_than_the_site_allows_is_refused(alice: Person, sandbox: Sandbox) -> None:
    job = alice.wait(alice.submit(minutes=5), "available")
    answer = patch(alice, job, 601, "*")
    assert (answer.status_code, answer.json()["detail"]) == (409, "This cluster allows at most 600 minutes.")
    assert record(sandbox, job)["TimeLimit"] == "00:05:00"
    alice.cancel(job["id"])


def test_where_sudo_does_not_grant_it_the_answer_says_so(sandbox: Sandbox, tmp_path: Path) -> None:
    with alice_at(sandbox, tmp_path, run_as="root") as alice:
        job = alice.wait(alice.submit(minutes=5), "available")
        answer = patch(alice, job, 50)
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-extendable")
        assert answer.json()["detail"] == "The site has not granted it (sudo: a password is required)."
        assert alice.job(job["id"])["extension"]["state"] == "refused"
        assert record(sandbox, job)["TimeLimit"] == "00:05:00"
        alice.cancel(job["id"])


def middleware(sandbox: Sandbox, *argv: str) -> subprocess.CompletedProcess[str]:
    """By sudo as `slurm`, from the middleware's account."""
    return sandbox.run("cmd1", [*AS_MIDDLEWARE, "sudo", "-n", "-u", "slurm", *argv])


@pytest.mark.parametrize(
    "argv",
    [
        ("scontrol",),
        ("scontrol", "shutdown"),
        ("scontrol", "show", "job", "1"),
        ("scontrol", "-v", "update", "JobId=1", "TimeLimit=5"),
        ("scontrol", "update", "JobId=1", "TimeLimit=5", "Account=root"),
        ("scontrol", "update", "JobId=1", "TimeLimit=5", "-d"),
        ("scontrol", "update", "Account=root", "JobId=1", "TimeLimit=5"),
        ("scontrol", "update", "JobId=1", "Priority=5"),
        ("scontrol", "update", "JobId=1", "TimeLimit=0"),
        ("scontrol", "update", "JobId=1", "TimeLimit=UNLIMITED"),
        ("scontrol", "update", "JobId=1", "TimeLimit=+5"),
        ("scontrol", "update", "JobId=1", "TimeLimit=1234567"),
        ("scontrol", "update", "JobId=1,2", "TimeLimit=5"),
        ("scontrol", "update", "JobId=1_2", "TimeLimit=5"),
        ("scontrol", "update", "JobId=1\n", "TimeLimit=5"),
        ("scontrol", "update", "JobId=1", "TimeLimit=5\nAccount=root"),
        ("scontrol", "update", "NodeName=node1", "TimeLimit=5"),
        ("scontrol", "update", "PartitionName=batch", "MaxTime=5"),
        ("SLURM_CONF=/tmp/slurm.conf", "scontrol", "update", "JobId=1", "TimeLimit=5"),
        ("-E", "scontrol", "update", "JobId=1", "TimeLimit=5"),
        ("squeue",),
        ("sh", "-c", "id"),
    ],
)
def test_sudo_lets_nothing_else_through(sandbox: Sandbox, argv: tuple[str, ...]) -> None:
    done = middleware(sandbox, *argv)
    assert done.returncode == 1
    assert done.stderr.startswith(("sudo: a password is required", "sudo: sorry, you are not allowed")), done.stderr


def test_sudo_lets_the_one_command_through(sandbox: Sandbox) -> None:
    done = middleware(sandbox, "scontrol", "update", "JobId=4000000000", "TimeLimit=5")
    assert (done.returncode, done.stderr) == (1, "Invalid job id specified for job 4000000000\n")
