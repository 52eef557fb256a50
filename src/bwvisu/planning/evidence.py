"""When an absence may be believed.

One look that does not show a job proves little: the job may not have appeared yet, or slurmctld may just have
started.  So an `Absence` counts only complete looks that *began after* the job could have been seen, and several of
them must agree, some time apart.  An account that was not found is judged in the same way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bwvisu.domain.job import JobId
from bwvisu.domain.observation import Look


@dataclass(frozen=True, slots=True)
class Missing:
    """A job that a look should show and does not.  Monotonic seconds."""

    job_id: JobId
    attempt: int
    slurm_job_id: int | None
    """None: nobody knows whether Slurm ever had it."""
    since: float
    """A look that began no earlier had to show it, if it was there."""
    origin: float
    """When it can have begun to exist."""


@dataclass(frozen=True, slots=True)
class Absence:
    """Complete looks in a row that did not show a job.  Monotonic seconds."""

    job: Missing
    looks: int
    first_began: float
    last_began: float
    last_ended: float

    def agreed(self, apart: float, *, looks: int = 2) -> bool:
        """That many looks agree, the first and the last at least ``apart`` seconds from each other."""
        return self.looks >= looks and self.last_began - self.first_began >= apart

    def within(self, age: float) -> bool:
        """All looks ended within ``age`` seconds of the job's origin: it could not have ended and been purged."""
        return self.last_ended - self.job.origin <= age


def weigh(absences: Mapping[JobId, Absence], look: Look, missing: Iterable[Missing]) -> dict[JobId, Absence]:
    """Fold one complete look into what is known to be absent; a job that was seen drops out."""
    weighed: dict[JobId, Absence] = {}
    for job in missing:
        before = absences.get(job.job_id)
        if look.began_at < job.since:
            continue
        if before is None or (before.job.attempt, before.job.slurm_job_id) != (job.attempt, job.slurm_job_id):
            weighed[job.job_id] = Absence(job, 1, look.began_at, look.began_at, look.ended_at)
        elif look.began_at > before.last_began:
            weighed[job.job_id] = replace(
                before, looks=before.looks + 1, last_began=look.began_at, last_ended=look.ended_at
            )
        else:
            weighed[job.job_id] = before
    return weighed


@dataclass(frozen=True, slots=True)
class Unfound:
    """Answers in a row that a user has no account.  Monotonic seconds, of when the questions were put."""

    answers: int
    first: float
    last: float
    node: str = ""
    """The command node that gave the last one; the next is better asked of another."""

    def agreed(self, apart: float) -> bool:
        """Several answers agree, the first and the last at least ``apart`` seconds from each other."""
        return self.answers > 1 and self.last - self.first >= apart


def not_found(before: Unfound | None, at: float, node: str, *, within: float) -> Unfound:
    """Fold one more answer in; it stands alone where the last one is more than ``within`` seconds older.

    Two short outages of a directory, an hour apart, do not agree on anything.
    """
    if before is None or at - before.last > within:
        return Unfound(1, at, at, node)
    return Unfound(before.answers + 1, before.first, max(at, before.last), node)
