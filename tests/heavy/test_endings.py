"""Ends that take a minute, in the words that their owner reads."""

from bwvisu.cli.local import LocalService
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
