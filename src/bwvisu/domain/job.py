"""A job: what is wanted (`JobSpec`, written by the API) and what was seen (`JobStatus`, written by the leader)."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from bwvisu.domain.lifecycle import Outcome, Phase, State

JobId = str
"""A ULID in lower case."""
Scalar = str | int | float | bool
"""A parameter's value, as its application's schema types it."""


class Record(BaseModel):
    """Something kept in the store.  Fields that a newer version added survive a rewrite by this one."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Wanted(StrEnum):
    """What the owner wants of a job."""

    RUNNING = "running"
    STOPPED = "stopped"


class Notice(StrEnum):
    """What a person may be told of a job by mail; the names are the API's contract."""

    AVAILABLE = "available"
    """It can be entered."""
    ENDING = "ending"
    """Its time is nearly over."""
    IDLE = "idle"
    """It is stopped soon because nobody uses it."""
    FAILED = "failed"
    """It has ended, and neither by itself nor because somebody stopped it."""


class ServiceName(Record):
    """One port of an application as its bundle declares it."""

    name: str
    protocol: str
    path: str = ""


class Extension(Record):
    """Another run time for a job that Slurm has; the last one that was asked for counts."""

    number: int
    """Counts the times of this job that were asked for, from 1."""
    minutes: int
    """In all, from the job's start: Slurm's time limit."""
    asked_at: datetime
    asked_by: str = ""
    """Name of the token that asked."""
    asked_for: str | None = None
    """The person whom its holder named as the one that asks."""


class OriginalRequest(Record):
    """What a client of the original's API submitted, word for word, to be shown to it again."""

    template_name: str
    variables: Mapping[str, str]


class JobSpec(Record):
    """What was asked for.

    ``wanted`` changes once, ``extension`` and ``kept_at`` whenever they are asked for; nothing else.
    """

    id: JobId
    user: str
    application: str
    cluster: str
    parameters: Mapping[str, Scalar]
    """Complete: every declared parameter, defaults resolved."""
    bundle: str
    """SHA-256 of the application bundle that this job is rendered from."""
    services: tuple[ServiceName, ...] = ()
    """The application's ports, in the order of ``KEYHOLE_PORT<I>``."""
    start_timeout: int = 300
    """Seconds from the script's start within which all services should answer."""
    wanted: Wanted = Wanted.RUNNING
    created_at: datetime
    created_by: str = ""
    """Name of the token that asked."""
    created_for: str | None = None
    """The person whom its holder named as the one that asks."""
    request: str | None = None
    """Id of the request that made it, for the log; None: an older version stored it."""
    stopped_by: str = ""
    """Who wanted it stopped: the person, else the token; empty: nobody, or an older version stopped it."""
    extension: Extension | None = None
    idle_stop: int | None = None
    """Seconds without activity after which it is stopped; None: never."""
    kept_at: datetime | None = None
    """When somebody last asked to keep it though nobody uses it."""
    notify: tuple[Notice, ...] = ()
    """What its owner wants to be told of by mail."""
    original: OriginalRequest | None = None
    """Where the job came by the original's API."""

    @property
    def stopped(self) -> bool:
        """Its owner wants it to end."""
        return self.wanted is Wanted.STOPPED


class Reason(Record):
    """Why a job is where it is: a stable code for programs, words for a person."""

    code: str
    message: str


class Service(Record):
    """One port of a job, as its user reaches it."""

    name: str
    protocol: str
    gateway: str
    external_host: str
    external_port: int
    internal_host: str
    internal_port: int
    reachable: bool = False
    connections: int | None = None
    """At present; None: not known, as all of the following."""
    bytes_in: int | None = None
    """From its users since the port was opened, headers included; may begin anew where it moves."""
    bytes_out: int | None = None
    """To its users."""
    last_active_at: datetime | None = None
    """When something last came from its users."""


class SlurmView(Record):
    """What the last complete look showed of the job; times in UTC."""

    job_id: int
    state: str
    reason: str | None = None
    nodes: tuple[str, ...] = ()
    partition: str | None = None
    submitted_at: datetime | None = None
    expected_start_at: datetime | None = None
    started_at: datetime | None = None
    ends_at: datetime | None = None
    time_limit: int | None = None
    """Seconds; None: unlimited, or not known."""
    restarts: int = 0


class Moment(Record):
    """When a job entered a state."""

    state: State
    at: datetime


class ExtensionState(StrEnum):
    """What became of an `Extension`; the names are the API's contract."""

    PENDING = "pending"
    APPLIED = "applied"
    REFUSED = "refused"


class ExtensionStatus(Record):
    """How far the leader has come with the `Extension` of this number."""

    number: int
    state: ExtensionState
    """Pending: Slurm may have been told of it."""
    reason: Reason | None = None
    """Why it was refused."""


class Idleness(Record):
    """What the leader makes of nobody using a job; only what is out of the ordinary is kept."""

    known: bool = True
    """False: whether somebody uses it cannot be told, so that it is not stopped for that."""
    warned_at: datetime | None = None
    stops_at: datetime | None = None
    """When it is to be stopped unless somebody uses or keeps it."""
    stopped_at: datetime | None = None
    """When the leader decided to stop it; once there, this stays."""


class JobStatus(Record):
    """What is known of a job.  Written by the leader only."""

    phase: Phase = Phase.NEW
    attempt: int = 0
    """How often a submission was begun; part of the Slurm job's name."""
    doubtful: int = 0
    """Earlier attempts that ended without a clear answer and of which Slurm has nothing."""
    intent_at: datetime | None = None
    """When the present attempt's intent was stored; None beside an attempt: the store was restored, nobody knows."""
    intent_clock: int | None = None
    """The cluster's own Unix time then, by the last look; None: an earlier version wrote this, or nobody had looked."""
    slurm: SlurmView | None = None
    services: tuple[Service, ...] = ()
    moved_at: datetime | None = None
    """When its services last came to be on another gateway than before, while it ran."""
    outcome: Outcome | None = None
    reason: Reason | None = None
    exit_code: int | None = None
    extension: ExtensionStatus | None = None
    idle: Idleness | None = None
    """None: it is in use, or never stopped for that it is not."""
    timeline: tuple[Moment, ...] = Field(default=())

    @property
    def state(self) -> State:
        """The state that users see."""
        return self.phase.state

    @property
    def idled(self) -> bool:
        """It is being stopped, or was, because nobody used it."""
        return self.idle is not None and self.idle.stopped_at is not None

    @property
    def finished_at(self) -> datetime | None:
        """When it ended, for retention."""
        return self.timeline[-1].at if self.phase is Phase.FINISHED and self.timeline else None
