"""What every packet filter is asked for, and what it is found to hold, free of any filter's syntax.

A gateway's forwards are a `Table`: external port -> where it leads, and from where.  Around them stands a `Frame`:
chains, hooks, and a fixed number of rules that masquerade and accept exactly the flows which the table translates.
Because these rules ask conntrack (was the destination translated, on a port of ours, towards our compute networks?)
instead of naming each target, their number and cost do not grow with the number of forwards.

A gateway has one address family, so that its table has; the frame knows it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from ipaddress import ip_address
from typing import Literal, NamedTuple, Protocol

from keyhole.domain import Family, Network, Sources

Backend = Literal["nftables", "iptables", "proxy"]

_INSTALLATION = re.compile(r"[a-z0-9]{1,16}")
_PARTIAL_AT_LEAST = 64
"""So few changes are always loaded one by one."""
_PARTIAL_SHARE = 4
"""More than one change per this many forwards: loading the whole table is cheaper."""


class Target(NamedTuple):
    """Where an external port leads: an address of a compute node and a port there."""

    address: str
    port: int

    def __str__(self) -> str:
        """``address:port``, an IPv6 address in brackets."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Target":
        """Read what `__str__` writes; raises ValueError on anything else."""
        address, _, port = text.rpartition(":")
        target = cls(address.removeprefix("[").removesuffix("]"), int(port))
        if str(target) != text:
            raise ValueError(f"not an address and a port: {text!r}")
        return target


class Translation(NamedTuple):
    """What a filter does with new connections to an external port."""

    address: str
    port: int
    sources: Sources = None
    """From where they pass; from elsewhere they get no answer.  Disjoint, see `keyhole.domain.sources`."""
    name: str = ""
    """Host name that a proxy knows the way by, in lower case; packet filters know none."""

    @property
    def target(self) -> Target:
        """Where they lead."""
        return Target(self.address, self.port)


Table = Mapping[int, Translation]
"""By external port."""


class Passage(NamedTuple):
    """Connections that a gateway carries: of one client, through one external port, to one target."""

    port: int
    source: str
    target: Target


class Listing(NamedTuple):
    """What a gateway printed of its packet filters, and of its proxy.

    None: that tool does not work there and holds nothing of ours (the gateway itself remembers), or there is no such
    table.
    """

    nft_works: bool
    nft: str | None
    """``nft -j list table ip <ours>``"""
    nat: str | None
    """``iptables-save -t nat``"""
    filter: str | None
    """``iptables-save -t filter``"""
    blind: bool = False
    """``iptables-save`` has worked there and does not now: foreign rules may be there unseen."""
    flows: frozenset[Passage] | None = None
    """Translated connections, whoever translates them; None: not asked for, or they could not be listed."""
    proxy: str | None = None
    """``show map`` of HAProxy's map of ours"""


def frame_name(installation: str) -> str:
    """What is ours on a gateway is named so, or begins so."""
    return f"bwv-{installation}"


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything of a gateway's table beside the forwards.

    Raises ValueError for an ``installation`` that could not be part of a chain's name (at most 28 characters).
    """

    installation: str
    first_port: int
    last_port: int
    networks: tuple[Network, ...]
    """Compute networks, all of the family."""
    family: Family = 4

    def __post_init__(self) -> None:
        if not _INSTALLATION.fullmatch(self.installation):
            raise ValueError(f"not an installation's id: {self.installation!r}")

    @property
    def name(self) -> str:
        """Name of the table, and prefix of the chains: how a process without memory recognises its own."""
        return frame_name(self.installation)

    @property
    def mark(self) -> str:
        """Comment on the frame's rules.  It changes with the frame, so that an outdated one is recognised as such
        without comparing rules as the filter prints them, which differs from version to version.
        """
        content = f"2 {self.first_port} {self.last_port} {' '.join(map(str, self.networks))}"
        return f"bwvisu:{sha256(content.encode()).hexdigest()[:12]}"

    def around(self, table: Table) -> "Frame":
        """This frame, widened to forwards from before the port range was changed in the settings."""
        return replace(self, first_port=min([self.first_port, *table]), last_port=max([self.last_port, *table]))

    @property
    def table(self) -> str:
        """Family and name of the table, as nft calls them."""
        return f"{'ip' if self.family == 4 else 'ip6'} {self.name}"


@dataclass(frozen=True, slots=True)
class Actual:
    """What is there of ours."""

    forwards: Table = field(default_factory=dict)
    intact: bool = False
    """Chains, hooks and frame rules are all there, once, of this very frame, and nothing strange is among them."""
    present: bool = False
    """Anything of ours is there, whole or not."""
    hooks: tuple[tuple[str, str], ...] = ()
    """(table, rule as printed) for each jump into a chain of ours."""
    chains: tuple[tuple[str, str], ...] = ()
    """(table, chain) for each chain of ours."""


@dataclass(frozen=True, slots=True)
class Change:
    """What turns actual into desired: ``add`` after ``remove``, or all of it anew where ``whole``."""

    add: Table
    remove: Table
    whole: bool

    @property
    def needed(self) -> bool:
        """Whether there is anything to do."""
        return self.whole or bool(self.add or self.remove)


def difference(actual: Actual, desired: Table) -> Change:
    """The cheapest change that makes ``actual`` equal ``desired``."""
    remove = {port: way for port, way in actual.forwards.items() if desired.get(port) != way}
    add = {port: way for port, way in desired.items() if actual.forwards.get(port) != way}
    many = len(add) + len(remove) > max(_PARTIAL_AT_LEAST, len(desired) // _PARTIAL_SHARE)
    return Change(add, remove, whole=many or not actual.intact)


def ended(change: Change, desired: Table) -> Table:
    """What leads nowhere any more, or elsewhere: all its connections must end.

    Of a port from which merely some sources were shut out, others may go on: see `trespassing`.
    """
    return {
        port: way
        for port, way in change.remove.items()
        if port not in desired or desired[port].target != way.target or desired[port].name != way.name
    }


def narrows(actual: Table, desired: Table) -> bool:
    """Whether some that ``actual`` lets in are let in no more by ``desired``, where a port leads on to its target."""
    for port, way in desired.items():
        known = actual.get(port, way)
        if known.target != way.target or way.sources is None:
            continue
        if known.sources is None or known.sources - way.sources:
            return True
    return False


def trespassing(flows: frozenset[Passage], desired: Table) -> list[Passage]:
    """Connections that ``desired`` would not let in anew, though it leads there: their source was shut out."""
    return sorted(
        flow
        for flow in flows
        if (way := desired.get(flow.port)) and way.target == flow.target and not _passes(flow.source, way.sources)
    )


def _passes(source: str, sources: Sources) -> bool:
    return sources is None or any(ip_address(source) in each for each in sources)


def checked(table: Table, family: Family = 4) -> Table:
    """``table``, surely harmless inside a filter's input.

    Raises ValueError for what is no port, or no address or network of the family.
    """
    for external, way in table.items():
        _checked_address(way.address, family)
        if not (0 < external < 1 << 16 and 0 < way.port < 1 << 16):
            raise ValueError(f"not a port: {external} -> {way.port}")
        if any(source.version != family for source in way.sources or ()):
            raise ValueError(f"not all of one family: {way}")
    return table


@lru_cache(4096)
def _checked_address(address: str, family: Family) -> None:
    parsed = ip_address(address)
    if parsed.version != family or str(parsed) != address:  # one way of writing: what is read back must be equal
        raise ValueError(f"not an address of the family: {address!r}")


class Driver(Protocol):
    """One packet filter, or a proxy in its place: pure text in, pure text out."""

    @property
    def backend(self) -> Backend:
        """Which filter this is."""
        ...

    def parse(self, listing: Listing, frame: Frame) -> Actual:
        """What the listing shows of ours; never raises on what a filter may print."""
        ...

    def render(self, frame: Frame, desired: Table, change: Change, actual: Actual) -> str:
        """Input that applies ``change`` in one transaction, and fails as a whole where ``actual`` is not so."""
        ...

    def render_removal(self, frame: Frame, actual: Actual) -> str:
        """Input that removes everything of ours that ``actual`` shows."""
        ...
