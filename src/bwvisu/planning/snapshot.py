"""What the planner is shown: one moment of the store, the last complete look, and what this leader remembers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from bwvisu.domain.cluster import ClusterUser
from bwvisu.domain.job import JobId, JobSpec, JobStatus, Reason, Service
from bwvisu.domain.naming import SlurmJobName
from bwvisu.domain.observation import Details, ExtendResult, Look
from bwvisu.planning.evidence import Absence, Unfound


@dataclass(frozen=True, slots=True)
class Policy:
    """A cluster's rules for planning.  Times without a unit are seconds."""

    installation: str
    name_prefix: str = "bwv"
    agree_after: float = 15.0
    """Complete looks that far apart must agree before an absence is believed."""
    min_job_age: float | None = None
    """How long Slurm shows ended jobs (``MinJobAge``); None while that is not known: then no absence proves that a
    job never was."""
    submit_settle: float = 155.0
    """After that, a submission for whose answer nobody waits any more has surely ended."""
    submissions_in_flight: int = 8
    running_per_user: int | None = None
    """Most jobs of one person that Slurm may have at once."""
    clock_tolerance: int = 300
    """How far Slurm's submit time may lie before our intent, for clocks that differ; as much as the keyhole allows."""
    replica_tolerance: float = 30.0
    """How far the clocks of two leaders may differ."""
    repeat_after: float = 20.0
    """A cancellation or a question about one job is repeated no sooner."""
    longest: int | None = None
    """Minutes up to which a job's run time may be changed; None: not at all."""
    extend_settle: float = 60.0
    """After that, a change of a run time for whose answer nobody waits any more has surely been carried out or not."""
    retention: timedelta = timedelta(days=7)
    idle_warning: float = 300.0
    """So long before a job is stopped because nobody uses it its owner is warned."""


@dataclass(frozen=True, slots=True)
class JobView:
    """One job as the store shows it."""

    spec: JobSpec
    status: JobStatus = field(default_factory=JobStatus)
    heard: frozenset[int] = frozenset()
    """Attempts whose script has spoken to the keyhole, so surely ran."""
    exit_code: int | None = None
    """What the present run of its script said that it ended with."""
    services: tuple[Service, ...] | None = None
    """The open forwards of its present run, as probed last; None: there are none."""
    moved: bool = False
    """The present run had forwards on another gateway before, not long ago."""
    moving: bool = False
    """They are still on their way: not open, or not probed enough to say whether they answer."""
    leaving: bool = False
    """Users may still come to it through the other gateway, which has not confirmed that nothing leads there."""
    refusal: Reason | None = None
    """Why the keyhole gives its present run no forwards."""
    holds_ports: bool = False
    """The keyhole's books still hold something of it."""

    @property
    def stopped(self) -> bool:
        """It is to end: its owner wants it so, or nobody has used it."""
        return self.spec.stopped or self.status.idled

    def name(self, policy: Policy) -> str:
        """The Slurm job's name of the present attempt."""
        return str(SlurmJobName(policy.name_prefix, policy.installation, self.spec.id, self.status.attempt))


@dataclass(frozen=True, slots=True)
class Met:
    """A submission as this leader came to know it; monotonic seconds."""

    attempt: int
    slurm_job_id: int | None
    """None: nobody knows whether Slurm has it."""
    origin: float
    """When it can have begun to exist; by the wall clock where an earlier leader began it."""
    since: float
    """When this leader met it and, while its answer is not known, stopped waiting for that.  A look that began
    earlier may be older than the job."""


@dataclass(frozen=True, slots=True)
class Told:
    """What Slurm answered when it was last told of another run time for a job."""

    number: int
    """Of the `Extension`."""
    result: ExtendResult
    at: float
    """When it answered, or nobody waited any longer; monotonic seconds."""
    tries: int = 1
    """How often it was told of this one."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A job that may be stopped when nobody uses it, as this leader came to know it; monotonic seconds.

    A new leader, a new availability and each *keep* begin another one, so that none of them shortens the time.
    """

    available_at: datetime | None
    kept_at: datetime | None
    since: float
    warned_at: datetime | None = None
    warned: float = 0.0
    """Since when this leader knows that its owner is warned."""


class Quiet(NamedTuple):
    """Nobody surely used a job from ``since`` until ``until``; monotonic seconds."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What only this leader knows, by job id; monotonic seconds.  A new leader starts with an empty one."""

    met: Mapping[JobId, Met] = field(default_factory=dict)
    """Every submission that has not ended."""
    absences: Mapping[JobId, Absence] = field(default_factory=dict)
    details: Mapping[JobId, Details] = field(default_factory=dict)
    inspected: Mapping[JobId, float] = field(default_factory=dict)
    """When Slurm was last asked about this one job."""
    held_back: Mapping[JobId, float] = field(default_factory=dict)
    """A submission that reached no command node is not begun again before this."""
    cancelled: Mapping[int, float] = field(default_factory=dict)
    """When a cancellation was last asked of Slurm, by Slurm's job id."""
    told: Mapping[JobId, Told] = field(default_factory=dict)
    watches: Mapping[JobId, Watch] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a plan depends on."""

    policy: Policy
    jobs: Mapping[JobId, JobView]
    look: Look | None
    """The last complete look, however old."""
    users: Mapping[str, ClusterUser | None]
    """Fresh answers about accounts; None: asked in vain a moment ago."""
    busy: frozenset[JobId]
    """Jobs on which an earlier verb is still at work: they are left alone."""
    memory: Memory
    now: datetime
    """Wall clock, UTC: for people and for retention."""
    monotonic: float
    reachable: bool = True
    """Whether the cluster lets itself be looked at these days."""
    set_aside: frozenset[JobId] = frozenset()
    """Jobs that are not in ``jobs`` because a record of theirs cannot be read: nothing of theirs is touched."""
    unfound: Mapping[str, Unfound] = field(default_factory=dict)
    """Of accounts that were not found: how surely."""

    quiet: Mapping[JobId, Quiet | None] = field(default_factory=dict)
    """Of jobs that may be stopped when nobody uses them: since when nobody does.  None: that cannot be told on their
    gateways.  Not listed: this leader has not looked."""

    def absence_of(self, view: JobView) -> Absence | None:
        """What is known of the absence of the job's *present* submission; that of an earlier one proves nothing."""
        absence, slurm = self.memory.absences.get(view.spec.id), view.status.slurm
        if absence is None or absence.job.attempt != view.status.attempt:
            return None
        return absence if absence.job.slurm_job_id == (slurm.job_id if slurm is not None else None) else None

    def surely_unknown(self, user: str) -> bool:
        """Whether answers agree that there is no such account; one alone may come from a directory that is away."""
        unfound = self.unfound.get(user)
        return unfound is not None and unfound.agreed(self.policy.agree_after)

    def due(self, last: float | None) -> bool:
        """Whether what was last done then may be repeated."""
        return last is None or self.monotonic - last >= self.policy.repeat_after
