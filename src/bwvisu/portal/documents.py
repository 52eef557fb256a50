"""The API's documents, as far as pages show them.

Not the API's own models: the portal is a client like any other, perhaps of another version, and lets pass what it does
not know.  Fields that are not named here may come and go.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Self
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """Something that the API answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Reason(Document):
    """Why a job is where it is."""

    code: str
    message: str


class Service(Document):
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
    last_active_at: datetime | None = None


class SlurmJob(Document):
    """What Slurm says of a job."""

    job_id: int
    state: str
    reason: str | None = None
    nodes: tuple[str, ...] = ()
    partition: str | None = None
    expected_start_at: datetime | None = None
    started_at: datetime | None = None
    ends_at: datetime | None = None
    time_limit_minutes: int | None = None


class Extension(Document):
    """The run time that was last asked for."""

    minutes: int
    state: str
    reason: Reason | None = None


class Idle(Document):
    """A job that is stopped once nobody has used it for some time."""

    stop_after_minutes: int
    since: datetime | None = None
    warned: bool = False
    stops_at: datetime | None = None


class Moment(Document):
    """When the job entered a state."""

    state: str
    at: datetime


class Job(Document):
    """A job."""

    id: str
    user: str
    application: str
    cluster: str
    parameters: Mapping[str, Any]
    wanted: str
    state: str
    outcome: str | None = None
    reason: Reason | None = None
    services: tuple[Service, ...] = ()
    moved_at: datetime | None = None
    slurm: SlurmJob | None = None
    extension: Extension | None = None
    idle: Idle | None = None
    timeline: tuple[Moment, ...] = ()
    created_at: datetime
    exit_code: int | None = None
    revision: int

    @property
    def finished(self) -> bool:
        """Whether it is over."""
        return self.state == "finished"


class JobPage(Document):
    """Jobs, newest first."""

    items: tuple[Job, ...]
    next_cursor: str | None = None


class PostedForm(Document):
    """A form that the browser posts to enter an application."""

    action: str
    fields: Mapping[str, str]


class Access(Document):
    """What opens a job; holds secrets."""

    url: str
    password: str
    native: str | None = None
    form: PostedForm | None = None
    admission: str = "open"
    """What the visitor's address needs: `open`, `needed`, `admitted`, `other-family`."""
    view_only: bool = False

    @property
    def is_typed(self) -> bool:
        """Whether the person must type the password, because nothing that opens the application carries it."""
        if self.form is not None:
            return not any(self.password in text for text in (*self.form.fields.values(), unquote(self.form.action)))
        return self.password not in (self.native if self.native is not None else unquote(self.url))


class Application(Document):
    """An application of the catalogue."""

    name: str
    title: str
    summary: str
    version: str
    category: str
    clusters: tuple[str, ...]
    parameters: Mapping[str, Any]
    cluster_parameters: Mapping[str, Mapping[str, Any]] = {}
    ports: tuple[Mapping[str, Any], ...] = ()
    idle_stop_minutes: Mapping[str, int] = {}
    """By cluster: after how long its jobs are stopped where nobody uses them and nobody says otherwise."""
    idle_stop: Mapping[str, "IdleStopLimits"] = {}
    """By cluster, where jobs may be stopped so; see `on`."""
    extend_to: Mapping[str, int] = {}
    """By cluster: the longest run time in all, in minutes, that a job of it may be given; see `on`."""
    view_only: bool = False
    """It can let in who shall only see."""
    bound: Mapping[str, Mapping[str, int | None]] = {}
    """By cluster, where admitted addresses come in only: the IP version of each gateway; see `on`."""
    shared_on: frozenset[str] = frozenset()
    """Clusters whose sessions may be shared; see `on`."""

    def schema_for(self, cluster: str) -> Mapping[str, Any]:
        """The JSON Schema of its parameters there."""
        return self.cluster_parameters.get(cluster, self.parameters)

    def on(self, clusters: Iterable["Cluster"]) -> Self:
        """The same, with what these clusters and its own maximum allow."""
        clusters = tuple(clusters)
        found = {each.name: self._longest(each) for each in clusters}
        bound = {
            each.name: {gateway.name: gateway.address_family for gateway in each.gateways}
            for each in clusters
            if each.admission != "open"
        }
        return self.model_copy(
            update={
                "extend_to": {name: most for name, most in found.items() if most},
                "idle_stop": {each.name: each.limits.idle_stop for each in clusters if each.limits.idle_stop},
                "bound": bound,
                "shared_on": frozenset(each.name for each in clusters if each.sharing),
            }
        )

    def _longest(self, cluster: "Cluster") -> int:
        rules = self.schema_for(cluster.name).get("properties", {}).get("minutes", {})
        most = cluster.limits.extend_to_minutes or 0
        return int(min(most, rules.get("maximum", most)))


class BrokenBundle(Document):
    """A bundle that somebody must mend."""

    name: str
    problems: tuple[str, ...]
    served: bool


class ApplicationList(Document):
    """The catalogue."""

    items: tuple[Application, ...]
    broken: tuple[BrokenBundle, ...] = ()


class Node(Document):
    """A command node."""

    name: str
    reachable: bool
    detail: str = ""


class Gateway(Node):
    """A gateway."""

    forwards: int
    drained: bool
    address_family: int | None = None
    """4 or 6."""
    connections: int | None = None
    vacated: bool = False


class Partition(Document):
    """A partition."""

    name: str
    state: str
    default: bool
    time_limit_minutes: int | None = None
    nodes: int


class IdleStopLimits(Document):
    """What a site allows of stopping jobs that nobody uses."""

    minimum_minutes: int
    maximum_minutes: int
    never_allowed: bool = True


class Limits(Document):
    """What a site allows one person."""

    running_per_user: int | None = None
    waiting_per_user: int = 0
    extend_to_minutes: int | None = None
    """None: there is no other run time."""
    idle_stop: IdleStopLimits | None = None


class Cluster(Document):
    """A cluster as it was last seen."""

    name: str
    title: str
    command_nodes: tuple[Node, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    looked_at: datetime | None = None
    look_age_seconds: float | None = None
    detail: str = ""
    partitions: tuple[Partition, ...] | None = None
    limits: Limits = Limits()
    admission: str = "open"
    sharing: bool = False


class ClusterList(Document):
    """All clusters."""

    items: tuple[Cluster, ...]
    notify: tuple[str, ...] = ()
    """What a job's owner can be told of by mail."""


class UserUsage(Document):
    """One person's unfinished jobs on a cluster."""

    user: str
    in_slurm: int
    waiting: int


class UsageList(Document):
    """Who has unfinished jobs there."""

    items: tuple[UserUsage, ...]


class AuditEntry(Document):
    """Something that was asked for, and what became of it."""

    action: str
    result: str
    by: str | None = None
    behalf_of: str | None = None
    requested_by: str | None = None
    source: str | None = None
    job: str | None = None
    user: str | None = None
    guest: str | None = None
    address: str | None = None
    cluster: str | None = None
    gateway: str | None = None
    reason: str | None = None
    at: datetime


class AuditList(Document):
    """Entries, newest first."""

    items: tuple[AuditEntry, ...]
