"""What a plan can ask for.  Each verb is complete: executing it leaves nothing to decide."""

from dataclasses import dataclass
from datetime import datetime

from bwvisu.domain.job import JobId, JobStatus


@dataclass(frozen=True, slots=True)
class Record:
    """Store this status; nothing happens in the world."""

    job_id: JobId
    status: JobStatus


@dataclass(frozen=True, slots=True)
class StopIdle:
    """Store this status, which says that the job is stopped, if nobody has asked to keep it since ``kept_at``."""

    job_id: JobId
    status: JobStatus
    kept_at: datetime | None


@dataclass(frozen=True, slots=True)
class Submit:
    """Store the intent (``status``), then have Slurm take the script of this attempt."""

    job_id: JobId
    status: JobStatus
    home: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Have Slurm cancel exactly this job of this user."""

    job_id: JobId
    slurm_job_id: int
    user: str
    name: str
    stray: bool = False
    """It is not the job's present attempt: an extra that should not be there."""


@dataclass(frozen=True, slots=True)
class Extend:
    """Store the intent (``status``), then have Slurm give exactly this job of this user another run time."""

    job_id: JobId
    status: JobStatus
    slurm_job_id: int
    user: str
    name: str
    number: int
    """Of the `Extension`."""
    minutes: int


@dataclass(frozen=True, slots=True)
class Inspect:
    """Ask Slurm about one job that no look shows any more."""

    job_id: JobId
    slurm_job_id: int


@dataclass(frozen=True, slots=True)
class LookUpUser:
    """Ask a command node about an account."""

    user: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Delete every record of a job whose retention has passed."""

    job_id: JobId


Verb = Record | StopIdle | Submit | Cancel | Extend | Inspect | LookUpUser | Forget
