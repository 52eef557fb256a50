"""Ends that take a minute, or a home that is not as it should be: each in the words that its owner reads."""

from bwvisu.cli.local import LocalService
from bwvisu.sandbox import Sandbox
from tests.support.world import Person

MINUTE = 60


def test_a_job_whose_time_is_over_says_so_and_has_had_time_to_save(plain_service: LocalService) -> None:
    """Slurm looks for such jobs every half a minute, then gives them KillWait."""
    with plain_service.client() as client:
        alice = Person(client)
        line = "trap 'echo saving >&2; exit 0' TERM; while :; do sleep 0.2; done"
        job = alice.wait(alice.submit("served", line=line, minutes=1), "finished", 5 * MINUTE)
        log = client.get(f"/api/v1/jobs/{job['id']}/log").text
    assert (job["outcome"], job["reason"]["code"]) == ("timeout", "time-limit")
    assert log.splitlines()[-1] == "saving"


def test_a_job_whose_log_cannot_be_written_says_that_it_could_not_be_started(
    plain_service: LocalService, sandbox: Sandbox
) -> None:
    def home(mode: str) -> None:
        assert sandbox.run("cmd1", ["chmod", mode, "/home/carol"]).returncode == 0

    home("500")
    try:
        with plain_service.client() as client:
            carol = Person(client, "carol")
            job = carol.wait(carol.submit("command", line="true"), "finished", 2 * MINUTE)
    finally:
        home("700")
    assert (job["outcome"], job["reason"]["code"]) == ("failed", "launch-failed")
    assert "log" in job["reason"]["message"]
