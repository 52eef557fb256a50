"""What every packet filter is asked for, and what it is found to hold, free of any filter's syntax.

A gateway's forwards are a `Table`: external port -> target.  Around them stands a `Frame`: chains, hooks, and a fixed
number of rules that masquerade and accept exactly the flows which the table translates.  Because these rules ask
conntrack (was the destination translated, on a port of ours, towards our compute networks?) instead of naming each
target, their number and cost do not grow with the number of forwards.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network
from typing import Literal, NamedTuple, Protocol

Backend = Literal["nftables", "iptables", "proxy"]

_INSTALLATION = re.compile(r"[a-z0-9]{1,16}")
_PARTIAL_AT_LEAST = 64
"""So few changes are always loaded one by one."""
_PARTIAL_SHARE = 4
"""More than one change per this many forwards: loading the whole table is cheaper."""


class Target(NamedTuple):
    """Where an external port leads: an IPv4 address of a compute node and a port there."""

    address: str
    port: int
    name: str = ""
    """Host name that a proxy knows the way by, in lower case; packet filters know none."""


Table = Mapping[int, Target]
"""External port -> target."""


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
    networks: tuple[IPv4Network, ...]

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
        content = f"1 {self.first_port} {self.last_port} {' '.join(map(str, self.networks))}"
        return f"bwvisu:{sha256(content.encode()).hexdigest()[:12]}"

    def around(self, table: Table) -> "Frame":
        """This frame, widened to forwards from before the port range was changed in the settings."""
        return replace(self, first_port=min([self.first_port, *table]), last_port=max([self.last_port, *table]))


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
    remove = {port: target for port, target in actual.forwards.items() if desired.get(port) != target}
    add = {port: target for port, target in desired.items() if actual.forwards.get(port) != target}
    many = len(add) + len(remove) > max(_PARTIAL_AT_LEAST, len(desired) // _PARTIAL_SHARE)
    return Change(add, remove, whole=many or not actual.intact)


def checked(table: Table) -> Table:
    """``table``, surely harmless inside a filter's input; raises ValueError for what is no IPv4 address or port."""
    for external, target in table.items():
        IPv4Address(target.address)
        if not (0 < external < 1 << 16 and 0 < target.port < 1 << 16):
            raise ValueError(f"not a port: {external} -> {target.port}")
    return table


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
