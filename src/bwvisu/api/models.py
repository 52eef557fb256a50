"""The API's documents, field by field as clients see them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bwvisu.domain.job import ExtensionState, Notice, Scalar, Wanted
from bwvisu.domain.lifecycle import Outcome, State

_Word = Annotated[str, Field(min_length=1, max_length=256)]


def whole(value: object) -> object:
    """JSON Schema counts 60.0 among the integers: some languages have no other numbers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Document(BaseModel):
    """Something that the API answers or takes."""

    model_config = ConfigDict(
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,  # an answer has all its fields
    )


class NewJob(Document):
    """A job to start."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"user": "alice", "application": "terminal", "parameters": {"minutes": 60}}]},
    )

    user: _Word
    """Whose job it will be: an account of the cluster."""
    application: _Word
    """Name of an application in the catalogue."""
    cluster: _Word | None = None
    """Where to run it; none: the first cluster that the application runs on."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """As the application's JSON Schema types them."""
    notify: Annotated[tuple[Notice, ...], Field(max_length=len(Notice))] = ()
    """What its owner is told of by mail, each at most once: `notify` of the list of clusters says what is possible."""
    idle_stop_minutes: Annotated[int, Field(strict=True, ge=0, le=525_600), BeforeValidator(whole)] | None = None
    """Stop it once nobody has used it for so long; 0: never; null: as the application says.  `limits` of the clusters
    tell what is possible."""


class NewTime(Document):
    """Another run time."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"minutes": 120}]})

    minutes: Annotated[int, Field(strict=True, ge=1, le=525_600), BeforeValidator(whole)]
    """In all, from the job's start, as the parameter `minutes` has it."""


class ReasonView(Document):
    """Why a job is where it is."""

    code: str
    """Stable, for programs."""
    message: str
    """Words for a person."""


class ServiceView(Document):
    """One port of a job and the way to it."""

    name: str
    protocol: str
    gateway: str
    external_host: str
    external_port: int
    internal_host: str
    internal_port: int
    reachable: bool
    connections: int | None = None
    """Connections at present; null: not known, as all of the following."""
    bytes_in: int | None = None
    """From its users since the port was opened, headers included."""
    bytes_out: int | None = None
    """To its users."""
    last_active_at: datetime | None = None
    """When something last came from its users, to the minute."""


class SlurmJobView(Document):
    """What the last complete look at Slurm showed."""

    job_id: int
    state: str
    reason: str | None
    nodes: tuple[str, ...]
    partition: str | None
    expected_start_at: datetime | None
    started_at: datetime | None
    ends_at: datetime | None
    time_limit_minutes: int | None
    """Its run time in all; null: unlimited, or not known."""


class ExtensionView(Document):
    """The run time that was last asked for by `extendJob`."""

    minutes: int
    """In all, from the job's start."""
    asked_at: datetime
    state: ExtensionState
    """`applied`: a look at Slurm has shown it since."""
    reason: ReasonView | None
    """Why it was refused."""


class IdleView(Document):
    """A job that is stopped once nobody has used it for some time."""

    stop_after_minutes: int
    """So long without activity; any activity, and `keepJob`, begins this time anew."""
    since: datetime | None
    """Since when nobody has used it, to the minute; null: it is not available, or it cannot be told, so that it is not
    stopped."""
    warned: bool
    """Its owner is warned: it is stopped soon."""
    stops_at: datetime | None
    """When; null: it is not warned of."""


class MomentView(Document):
    """When the job entered a state."""

    state: State
    at: datetime


class JobView(Document):
    """A job: what is wanted, and what was seen.  Times are RFC 3339, UTC."""

    id: str
    """A ULID in lower case."""
    user: str
    application: str
    cluster: str
    parameters: Mapping[str, Scalar]
    """Complete, defaults included."""
    wanted: Wanted
    state: State
    outcome: Outcome | None
    """Null until the state is `finished`."""
    reason: ReasonView | None
    services: tuple[ServiceView, ...]
    moved_at: datetime | None
    """When they last came to be on another gateway than before: an address from before leads nowhere.  Null: never."""
    slurm: SlurmJobView | None
    """Null until Slurm has the job."""
    extension: ExtensionView | None
    """Null: no other run time was asked for."""
    idle: IdleView | None = None
    """Null: it is not stopped when nobody uses it."""
    timeline: tuple[MomentView, ...]
    created_at: datetime
    exit_code: int | None
    revision: int
    """Grows with every change; also the `ETag`."""


class JobPage(Document):
    """Jobs, newest first."""

    items: tuple[JobView, ...]
    next_cursor: str | None
    """Where the next page begins; null: this was the last."""


class FormView(Document):
    """A form that the browser posts."""

    action: str
    fields: Mapping[str, str]


class AccessView(Document):
    """What opens a job; holds secrets."""

    url: str
    password: str
    native: str | None = None
    """A command to type, for applications with a client of their own."""
    form: FormView | None = None
    admission: str = "open"
    """What the address that is asked for needs.  `open`: nothing; `needed`: it must be admitted; `admitted`: it passes;
    `other-family`: it can never reach the job's gateway, which has an address of the other family."""
    view_only: bool = False
    """The password lets its holder see, and do nothing."""


class PortView(Document):
    """A port that an application listens on."""

    name: str
    protocol: str
    path: str


class ApplicationView(Document):
    """An application of the catalogue."""

    name: str
    title: str
    summary: str
    version: str
    category: str
    ports: tuple[PortView, ...]
    clusters: tuple[str, ...]
    """Where it can run, and be reached."""
    parameters: dict[str, Any]
    """JSON Schema (2020-12); the properties are in the order of the form."""
    cluster_parameters: dict[str, dict[str, Any]]
    """The same for clusters where limits, choices or defaults are narrower, by their names; elsewhere `parameters`."""
    digest: str
    """SHA-256 of its bundle."""
    view_only: bool = False
    """It can let in who shall only see."""
    idle_stop_minutes: dict[str, int] = Field(default_factory=dict)
    """By cluster where its jobs are stopped once nobody has used them for some time, if the request does not say
    otherwise: after how long."""


class BrokenBundle(Document):
    """A bundle that cannot be used as it is."""

    name: str
    """Of its application; empty: the whole catalogue cannot be read."""
    problems: tuple[str, ...]
    """Each one a sentence for the administrator."""
    served: bool
    """Its last good version is still there and can be started."""


class ApplicationList(Document):
    """The catalogue."""

    items: tuple[ApplicationView, ...]
    broken: tuple[BrokenBundle, ...]
    """Bundles that somebody must mend; only holders of the scope `admin` are told of them."""


class NodeStatus(Document):
    """A command node or gateway as it was last seen."""

    name: str
    reachable: bool
    detail: str


class GatewayStatus(NodeStatus):
    """A gateway as it was last seen."""

    forwards: int
    """Ports of it that lead to jobs."""
    drained: bool
    """An administrator wants it to take no new forwards."""
    vacated: bool
    """... and what it carries to move to others; `forwards` says what is left."""
    address_family: int | None = None
    """`4` or `6`: the IP version that users reach it by."""
    connections: int | None = None
    """Users' connections through it; null: they could not be listed."""
    bytes_in: int | None = None
    """From users, headers included, since the service's present leader looked first; null: not counted."""
    bytes_out: int | None = None
    """To users."""


class PartitionStatus(Document):
    """A partition as Slurm last told of it; those that the site hides are left out."""

    name: str
    state: str
    """`up`: it takes jobs and starts them; `down`: it takes them; `drain`: it starts them; `inactive`: neither."""
    default: bool
    """Jobs that name none go there."""
    time_limit_minutes: int | None
    """The longest run time; null: unlimited."""
    nodes: int
    """How many it has, whatever their state."""


class IdleStopLimits(Document):
    """What the site allows of `idle_stop_minutes`."""

    minimum_minutes: int
    maximum_minutes: int
    never_allowed: bool
    """0 is possible though the application says otherwise."""
    warning_seconds: int
    """So long before the stop a job is `warned`; at most half of the whole time."""


class ClusterLimits(Document):
    """What the site allows."""

    running_per_user: int | None
    """Most jobs of one person that Slurm has at once, queued or running; null: any number."""
    waiting_per_user: int
    """So many more are accepted and wait for one of those to end."""
    extend_to_minutes: int | None
    """The longest run time, in all, that `extendJob` may ask for; null: the site allows no other run time.  An
    application may have a lower maximum."""
    idle_stop: IdleStopLimits | None = None
    """Null: nothing is stopped because nobody uses it."""


class ClusterStatus(Document):
    """A cluster as it was last seen."""

    name: str
    title: str
    command_nodes: tuple[NodeStatus, ...]
    gateways: tuple[GatewayStatus, ...]
    looked_at: datetime | None
    """End of the last complete look; null: there was none yet."""
    look_age_seconds: float | None
    detail: str
    """Why the last look was not complete; empty: it was."""
    partitions: tuple[PartitionStatus, ...] | None
    """As they were last told of, which may be a minute ago; null: they are not known."""
    limits: ClusterLimits
    admission: str = "open"
    """`open`: whoever knows a job's address reaches it; `owner-address`: new connections pass only from addresses that
    were admitted for the job."""
    sharing: bool = False
    """Owners may let other people into their jobs."""


class ClusterList(Document):
    """All clusters."""

    items: tuple[ClusterStatus, ...]
    notify: tuple[Notice, ...]
    """What a job's owner can be told of by mail; empty: this installation sends none."""


class UserView(Document):
    """An account that may run jobs on a cluster."""

    user: str
    cluster: str


class Health(Document):
    """All is well."""

    status: str = "ok"
