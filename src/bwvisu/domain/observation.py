"""What a cluster was seen to hold, and the ways of not having seen it.

Nothing here is a guess.  A `Look` is complete: a job that it does not list was not there at that moment.  Everything
short of that is `CouldNotLook`, which proves nothing and changes nothing.  Calls on a host have three outcomes:
an answer, `NotStarted` (surely nothing ran) and `Unknown` (it may have run).

Times of the cluster are whole Unix seconds by *its* clock; ``began_at``, ``ended_at`` and ``at`` are the observer's
monotonic clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Self

from bwvisu.domain.cluster import PartitionView


class StateGroup(Enum):
    """What a Slurm state means to us."""

    PENDING = "pending"
    ACTIVE = "active"
    COMPLETING = "completing"
    TERMINAL = "terminal"
    UNRECOGNISED = "unrecognised"
    """A word that this version does not know: the job is there, and nothing else follows."""


class SlurmState(StrEnum):
    """Job states as squeue and sacct spell them (`JOB STATE CODES` in squeue(1), 22.05 and later)."""

    PENDING = "PENDING"
    CONFIGURING = "CONFIGURING"
    REQUEUED = "REQUEUED"
    REQUEUE_FED = "REQUEUE_FED"
    REQUEUE_HOLD = "REQUEUE_HOLD"
    RESV_DEL_HOLD = "RESV_DEL_HOLD"
    SPECIAL_EXIT = "SPECIAL_EXIT"
    RUNNING = "RUNNING"
    RESIZING = "RESIZING"
    SIGNALING = "SIGNALING"
    STAGE_OUT = "STAGE_OUT"
    STOPPED = "STOPPED"
    SUSPENDED = "SUSPENDED"
    COMPLETING = "COMPLETING"
    BOOT_FAIL = "BOOT_FAIL"
    CANCELLED = "CANCELLED"
    COMPLETED = "COMPLETED"
    DEADLINE = "DEADLINE"
    FAILED = "FAILED"
    LAUNCH_FAILED = "LAUNCH_FAILED"
    NODE_FAIL = "NODE_FAIL"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    PREEMPTED = "PREEMPTED"
    RECONFIG_FAIL = "RECONFIG_FAIL"
    REVOKED = "REVOKED"
    TIMEOUT = "TIMEOUT"
    UNRECOGNISED = "UNRECOGNISED"

    @classmethod
    def parse(cls, word: str) -> Self:
        """The state of this name; `UNRECOGNISED` for words of other versions.  Never raises."""
        return cls(word) if word in cls.__members__ else cls("UNRECOGNISED")

    @property
    def group(self) -> StateGroup:
        """What the state means to us."""
        return _GROUPS[self]

    @property
    def is_terminal(self) -> bool:
        """Whether the job can never run again under this id (`REVOKED`: it runs on a federation's other cluster)."""
        return self.group is StateGroup.TERMINAL


_WORDS = {
    StateGroup.PENDING: "PENDING CONFIGURING REQUEUED REQUEUE_FED REQUEUE_HOLD RESV_DEL_HOLD SPECIAL_EXIT",
    StateGroup.ACTIVE: "RUNNING RESIZING SIGNALING STAGE_OUT STOPPED SUSPENDED",
    StateGroup.COMPLETING: "COMPLETING",
    StateGroup.TERMINAL: "BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED LAUNCH_FAILED NODE_FAIL OUT_OF_MEMORY "
    "PREEMPTED RECONFIG_FAIL REVOKED TIMEOUT",
    StateGroup.UNRECOGNISED: "UNRECOGNISED",
}
_GROUPS = {SlurmState(word): group for group, words in _WORDS.items() for word in words.split()}


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a job's batch script ended: Slurm's ``code:signal``."""

    code: int
    signal: int


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """One row of a look."""

    job_id: int
    name: str
    user: str
    state: SlurmState
    reason: str
    """Slurm's word for why, e.g. ``Resources``, ``NonZeroExitCode``; ``None`` (its word, too) where there is none."""
    nodes: tuple[str, ...]
    """Allocated nodes, expanded, in Slurm's order: the first one runs the batch script.  Empty before a start."""
    partition: str
    submitted_at: int | None
    started_at: int | None
    """Only once it has really started."""
    expected_start_at: int | None
    """Slurm's estimate for a pending job, where it has made one."""
    ends_at: int | None
    """When it ended, or when its time limit ends it; None while that is unknown."""
    time_limit: int | None
    """Seconds; None: unlimited, or not set yet."""
    restarts: int
    """How often Slurm has requeued it: `SLURM_RESTART_COUNT`."""
    exit_status: ExitStatus | None
    """Only in terminal states."""


@dataclass(frozen=True, slots=True)
class Look:
    """All jobs of a name prefix that one cluster held at one moment between ``began_at`` and ``ended_at``.

    Jobs that ended stay listed for the cluster's ``MinJobAge`` (300 s by default).
    """

    rows: Mapping[int, SlurmJob]
    """By Slurm job id."""
    began_at: float
    ended_at: float
    cluster_clock: int
    """The command node's Unix time when it began to look."""

    def named(self, name: str) -> tuple[SlurmJob, ...]:
        """All jobs of exactly this name, lowest id first."""
        return tuple(sorted((job for job in self.rows.values() if job.name == name), key=lambda job: job.job_id))


@dataclass(frozen=True, slots=True)
class CouldNotLook:
    """No complete look was had; whatever was seen proves nothing."""

    reason: str
    at: float


Observation = Look | CouldNotLook


@dataclass(frozen=True, slots=True)
class NotStarted:
    """Surely nothing ran on the host."""

    reason: str
    retryable: bool = True
    """Whether trying again, here or elsewhere, can help without a person's doing (False: host key, key refused)."""
    tried: bool = True
    """False: the host had failed just before and was left alone; this says nothing about it now."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have run, wholly or in part."""

    reason: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """Slurm has the job."""

    slurm_job_id: int
    cluster: str | None = None
    """The federation's cluster that took it, where sbatch names one."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Surely nothing was made, changed or ended: Slurm, sudo or sbatch said a known no, in these words."""

    message: str
    code: str = "rejected-by-slurm"
    """For programs: this one, ``unknown-user`` (no such account), or ``not-permitted`` (sudo does not let us act)."""


SubmitResult = Submitted | Refused | NotStarted | Unknown


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Slurm has taken the request.  The job may complete for a while yet: look to see."""


@dataclass(frozen=True, slots=True)
class NothingToCancel:
    """Slurm answered: no active job has this id, name and owner."""


CancelResult = Cancelled | NothingToCancel | Refused | NotStarted | Unknown


@dataclass(frozen=True, slots=True)
class TimeSet:
    """Slurm has taken another time limit for the job.  What it made of it: look to see."""


ExtendResult = TimeSet | Refused | NotStarted | Unknown


@dataclass(frozen=True, slots=True)
class Final:
    """How a job that is no longer in the queue ended."""

    state: SlurmState
    reason: str
    exit_status: ExitStatus | None
    started_at: int | None
    ended_at: int | None
    nodes: tuple[str, ...]
    user: str = ""
    submitted_at: int | None = None
    """With ``user``: whether it is the job meant, since Slurm may begin to count anew."""


@dataclass(frozen=True, slots=True)
class StillThere:
    """slurmctld still has a job of this id, in this state."""

    state: SlurmState
    user: str
    submitted_at: int | None
    """With ``user``: whether it is the job meant, since Slurm may begin to count anew."""


@dataclass(frozen=True, slots=True)
class ProvenAbsent:
    """The accounting database answered and has no such job."""


Details = Final | StillThere | ProvenAbsent | CouldNotLook


@dataclass(frozen=True, slots=True)
class Account:
    """An account as the command node's name service gives it."""

    name: str
    uid: int
    gid: int
    home: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NoSuchUser:
    """A command node's name service has no such account.

    That is no proof: getent(1) ends so, too, where a directory behind it cannot be asked (measured with sssd down).
    """

    name: str
    node: str = field(default="", compare=False)
    """Who said so."""


UserResult = Account | NoSuchUser | CouldNotLook


@dataclass(frozen=True, slots=True)
class SlurmConfig:
    """What matters to us of ``scontrol show config``."""

    cluster_name: str
    version: str
    min_job_age: int
    """Seconds that ended jobs stay visible at least."""
    private_data: tuple[str, ...]
    """What the site hides from other users; ``jobs`` makes every look incomplete."""
    accounting: bool
    """Whether an accounting database is there to ask."""


ConfigResult = SlurmConfig | CouldNotLook
PartitionsResult = tuple[PartitionView, ...] | CouldNotLook
