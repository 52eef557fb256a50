"""What the keyhole deals in: requests, grants, forwards, reports, and the gateways that carry them.

A *forward* is one port: gateway port -> compute port.  A *grant* is all forwards that one run of a job was
given, always on one gateway.  A *run* is one start of a job's script: ``attempt`` counts our submissions,
``restart`` counts Slurm's requeues of one of them (``SLURM_RESTART_COUNT``).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field

_HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")


Choice = Literal["auto", "nftables", "iptables", "proxy"]
"""What the settings may name to carry a gateway's forwards; ``auto``: nftables where it works, else iptables."""
Family = Literal[4, 6]
"""Of addresses: IPv4 or IPv6."""
Network = IPv4Network | IPv6Network
Sources = frozenset[Network] | None
"""Whose connections pass: those from disjoint networks of one family, perhaps of none; None: everybody's."""


def sources(networks: Iterable[Network], family: Family) -> Sources:
    """Those of the family, joined where they touch or overlap, so that equal sets of addresses are equal.

    A network of all addresses is everybody: packet filters do not print it as a source.
    """
    own: list[IPv4Network] | list[IPv6Network]
    if family == 4:
        own = list(collapse_addresses(each for each in networks if isinstance(each, IPv4Network)))
    else:
        own = list(collapse_addresses(each for each in networks if isinstance(each, IPv6Network)))
    return None if any(each.prefixlen == 0 for each in own) else frozenset(own)


@lru_cache(65536)
def network(text: str) -> Network:
    """Read a network, or a single address; raises ValueError where it is none, or bits of a host are set."""
    return ip_network(text)


def host_name(text: str) -> bool:
    """Whether this can be a host's name and nothing else (no option, no path, no shell text)."""
    return _HOST_NAME.fullmatch(text) is not None


class Run(NamedTuple):
    """One start of a job's script; later runs compare greater."""

    attempt: int
    restart: int

    def __str__(self) -> str:
        return f"{self.attempt}.{self.restart}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``"<attempt>.<restart>"``; raises ValueError on anything else."""
        attempt, _, restart = text.partition(".")
        return cls(int(attempt), int(restart))


class Stored(BaseModel):
    """A value kept in the ledger.  Fields that a newer version added survive a rewrite by this one."""

    model_config = ConfigDict(frozen=True, extra="allow")


class PortRequest(Stored):
    """A running job asks for ``ports`` forwards to the first of ``hosts``."""

    job_id: str
    attempt: int
    restart: int
    slurm_job_id: int
    hosts: tuple[str, ...]
    ports: int
    received_at: datetime

    @property
    def run(self) -> Run:
        """Which start of the job asked."""
        return Run(self.attempt, self.restart)


class Report(Stored):
    """What a running job says about itself; ``seq`` makes each report unique within its run."""

    job_id: str
    attempt: int
    restart: int
    seq: int
    event: Literal["started", "listening", "port-taken", "exited"]
    port: int | None = None
    exit_code: int | None = None
    log_tail: str | None = None
    received_at: datetime

    @property
    def run(self) -> Run:
        """Which start of the job speaks."""
        return Run(self.attempt, self.restart)


class Forward(Stored):
    """One port of a gateway that leads to one port of a compute node."""

    external_port: int
    internal_host: str
    internal_address: str
    internal_port: int


class GrantPhase(StrEnum):
    """The life of a grant: ``reserved -> open -> closing -> quarantined -> (gone)``."""

    RESERVED = "reserved"
    """Ports are taken in the ledger; the gateway may or may not have the rules yet."""
    OPEN = "open"
    """The gateway has confirmed the rules."""
    CLOSING = "closing"
    """The rules must go and live connections be cut; not yet confirmed by the gateway."""
    QUARANTINED = "quarantined"
    """The gateway has confirmed that nothing leads here any more; ports are not reused yet."""


LIVE = frozenset({GrantPhase.RESERVED, GrantPhase.OPEN})
"""Phases in which a gateway is to carry the forwards."""


class Grant(Stored):
    """All forwards of one run, on one gateway; or those that were taken from it, until their ports are free."""

    attempt: int
    restart: int
    gateway: str
    external_host: str
    """Under which users reach the gateway for this job; may hold ``{port}``, see `public`."""
    hosts: tuple[str, ...]
    forwards: tuple[Forward, ...]
    phase: GrantPhase
    public_port: int | None = None
    """The one port of a gateway that tells forwards apart by their host names; None: each has its external port."""

    @property
    def run(self) -> Run:
        """Whose forwards these are."""
        return Run(self.attempt, self.restart)

    def leads(self, family: Family) -> bool:
        """Whether all its forwards lead to addresses of the family, so that a gateway of that family can carry them."""
        return all((":" in each.internal_address) == (family == 6) for each in self.forwards)

    def public(self, forward: Forward) -> tuple[str, int]:
        """Host and port under which users reach one of the forwards: the only place that knows."""
        host = self.external_host.replace("{port}", str(forward.external_port))
        return host, self.public_port or forward.external_port


class Refusal(Stored):
    """Why a run gets no forwards.  ``final`` refusals end the client's waiting."""

    code: str
    message: str
    final: bool = True


class JobForwards(Stored):
    """The record ``forwards/{id}``: everything that the keyhole knows of one job.  Written by the leader only."""

    job_id: str
    cluster: str = ""
    """Whose gateways are meant: names are a cluster's own.  Empty: written before records told."""
    grants: tuple[Grant, ...] = ()
    refusals: Mapping[str, Refusal] = Field(default_factory=dict)
    """Keyed by ``str(Run)``."""

    def grant_for(self, run: Run) -> Grant | None:
        """The live grant of exactly this run, of which there is at most one.

        What was taken from a run (its job ended, or one port had to be replaced) is in further grants of the same
        run that are closing or quarantined; they are of no interest to the job any more.
        """
        return next((grant for grant in self.grants if grant.run == run and grant.phase in LIVE), None)

    def moved(self, run: Run) -> bool:
        """Whether this run's live grant was on another gateway, where its ports are not free yet."""
        live = self.grant_for(run)
        return live is not None and any(
            each.run == run and each.phase not in LIVE and each.gateway != live.gateway for each in self.grants
        )

    def leaving(self, run: Run) -> bool:
        """Whether another gateway than that of this run's live grant may still lead users to it."""
        live = self.grant_for(run)
        return live is not None and any(
            each.run == run and each.phase is GrantPhase.CLOSING and each.gateway != live.gateway
            for each in self.grants
        )


@dataclass(frozen=True, slots=True)
class Tenancy:
    """What the scheduler's side knows of a job's right to forwards, from complete looks only.

    ``wanted``: its current run may have forwards.  ``gone``: nothing of it runs any more, so its ports may be
    reused once their quarantine is over.  ``hosts``: the nodes that Slurm shows as the job's own, first one first;
    empty while unknown.  ``lingering``: earlier runs of which something may still run; the ports of other earlier
    runs may be reused.
    """

    run: Run
    slurm_job_id: int | None
    hosts: tuple[str, ...]
    wanted: bool
    gone: bool
    lingering: frozenset[Run] = frozenset()


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway as the settings name it."""

    name: str
    internal_ip: str
    external_ip: str
    external_host: str = ""
    """Name that users see; may hold ``{id}`` and, behind a proxy, ``{port}``.  Empty: the external address."""
    sudo: str = "sudo -n"
    """Put before the few commands that need root; empty where the middleware's user is root on the gateway."""
    public_port: int | None = None
    """Where users reach its proxy; None: it has none, and each forward is reached at its external port."""
    proxy_socket: str = ""
    """Absolute path of HAProxy's stats socket there; empty: there is none, and never was."""
    host: str = ""
    """Its machine, as the settings name it: two gateways of two address families may be one.  Empty: its own."""

    @property
    def family(self) -> Family:
        """What it carries: addresses of users and compute nodes of its external address's family."""
        return 4 if ip_address(self.external_ip).version == 4 else 6

    def public_host(self, job_id: str) -> str:
        """The host part of a job's address at this gateway."""
        return (self.external_host or self.external_ip).replace("{id}", job_id)


@dataclass(frozen=True, slots=True)
class ForwardPolicy:
    """A cluster's rules for forwards; seconds and port numbers."""

    compute_networks: tuple[IPv4Network | IPv6Network, ...]
    backend: Choice = "auto"
    first_port: int = 50000
    last_port: int = 60000
    max_per_job: int = 100
    hostname_suffix: str = ""
    quarantine: float = 120.0
    move_after: float = 15.0
    """A gateway that could not be reached for so long loses its forwards to others."""
    admission: Literal["open", "owner-address"] = "open"
    own_addresses: frozenset[str] = field(default_factory=frozenset)
    """Addresses of the service itself; never a target."""


@dataclass(frozen=True, slots=True, order=True)
class Fence:
    """Who may change a gateway: compared field by field, the greater one wins, the smaller is refused."""

    generation: int
    epoch: int
