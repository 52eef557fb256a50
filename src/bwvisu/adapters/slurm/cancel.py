"""Ending one job and no other."""

import re

from bwvisu.adapters.slurm.sudo import sudo_refusal
from bwvisu.adapters.ssh import Command, Completed, Outcome
from bwvisu.domain.observation import Cancelled, CancelResult, NothingToCancel, Refused, Unknown


def command(job_id: int, user: str, name: str, timeout: float) -> Command:
    """``scancel`` as the job's owner.  Measured (22.05): with id, name and user it acts only where all three agree."""
    return Command(
        ("sudo", "-n", "-u", user, "scancel", "--verbose", f"--user={user}", f"--name={name}", str(job_id)), timeout
    )


def parse(outcome: Outcome, job_id: int) -> CancelResult:
    """What scancel says, since its exit code does not: 0 where another name kept it from acting, 1 for an ended job."""
    if not isinstance(outcome, Completed):
        return outcome
    said = outcome.stderr.decode(errors="replace")
    if outcome.exit_status == 0 and re.search(rf"^scancel: Terminating job {job_id}$", said, re.MULTILINE):
        return Cancelled()
    if outcome.exit_status in {0, 1} and re.search(rf"{_GONE} {job_id}: {_ENDED}|{_NO_MATCH}", said):
        return NothingToCancel()
    if outcome.exit_status == 210:
        return Refused(said.strip()[:500], "not-permitted")
    if outcome.exit_status == 1 and (refusal := sudo_refusal(said)) is not None:
        return refusal
    return Unknown(f"scancel ended with {outcome.exit_status}: {said.strip()[:500]}")


_GONE = "Kill job error on job id"
_ENDED = "(?:Invalid job id specified|Job/step already completing or completed)"
_NO_MATCH = "No active jobs match ALL job filters"
