"""Who uses a service, told from two lists of a gateway's translated connections.  Pure.

Activity is bytes from the *user's* side, keepalives and bare acknowledgements included, because of what was measured:

- A page that only watches acknowledges what it is sent; an idle one answers or sends keepalives (Chromium: every 45 s).
  Both grow.  So whoever has an open viewer is active, though the desktop in it stands still.
- A laptop that vanished sends nothing, whatever the job retransmits to it: its flow goes on being `ESTABLISHED` for up
  to five days and is counted as a connection for as long, but nobody is active by it.
- A *knock* (connect, close: 216 bytes by IPv4, 296 by IPv6) is a scanner's or a monitor's and no activity; the smallest
  request of HTTP that is used sends 400.

A flow that has ended stays listed for ten seconds after a reset and two minutes after a farewell, with its last
counts.  So looks that are a few seconds apart miss the bytes of hardly any: those of flows that were reset within a
longer gap, and those that rules and flows were removed with.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from keyhole.nat.model import Target

KNOCK = 320
"""Bytes from the user's side up to which a new connection may be a mere knock."""
GAP = 60.0
"""Seconds between two looks beyond which whoever was active between them may have been missed."""
FIRST_PAUSE = 4.0
"""Seconds after which a change of the number of connections is told; doubled while it goes on changing."""
MEND = "sysctl -w net.netfilter.nf_conntrack_acct=1"
UNCOUNTED = f"conntrack does not count bytes here, so it is not known who is active ({MEND})"

FlowKey = tuple[str, str, int]
"""conntrack's number of a flow, and the user's address and port: a number alone may be used again."""


class Flow(NamedTuple):
    """One connection from a user to a compute node."""

    key: FlowKey
    target: Target
    established: bool
    bytes_in: int | None
    """From the user, headers included; None: it is not counted."""
    bytes_out: int | None
    attended: bool = False
    """Somebody is there as long as it is: a proxy keeps no connection of a user who has vanished."""


class Listed(NamedTuple):
    """All translated connections of a gateway."""

    counted: bool
    """Bytes of new connections are counted."""
    flows: Mapping[int, Sequence[Flow]]
    """By external port."""


class Instant(NamedTuple):
    """One moment by both clocks: monotonic seconds to reckon with, the wall's to show."""

    clock: float
    wall: datetime


class Totals(NamedTuple):
    """Bytes of a service since its port was opened, headers included."""

    bytes_in: int
    bytes_out: int


class Quiet(NamedTuple):
    """A service that surely nobody used from ``since`` until ``until``; monotonic seconds."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Use:
    """What the looks at one service have shown."""

    at: Instant
    """When the last one began."""
    watched: float
    """Since when no activity can have been missed; monotonic seconds."""
    connections: int
    counted: bool
    totals: Totals
    active: Instant | None = None
    """The last look that showed activity; None: none of this leader's did."""
    flows: Mapping[FlowKey, Totals] = field(default_factory=dict)

    @property
    def quiet(self) -> Quiet | None:
        """Since when nobody is active; None: that cannot be told."""
        if not self.counted:
            return None
        return Quiet(max(self.watched, self.active.clock if self.active else self.watched), self.at.clock)


def look(before: Use | None, flows: Iterable[Flow], at: Instant, *, counted: bool, known: Totals | None = None) -> Use:
    """Fold one look at a service in.

    ``known``: its totals as an earlier leader wrote them down; None: nobody did, its port is new.
    """
    present = list(flows)
    fresh = {flow.key: Totals(flow.bytes_in, flow.bytes_out or 0) for flow in present if flow.bytes_in is not None}
    whole = before is not None or known is None
    """Where it is not, flows that are there may have been counted by an earlier leader."""
    earlier = before.flows if before is not None else {}
    grown = [_growth(totals, earlier.get(key)) for key, totals in fresh.items()] if whole else []
    start = before.totals if before is not None else known or Totals(0, 0)
    active = any(growth.active for growth in grown) or any(flow.attended for flow in present)
    unclear = any(flow.established and flow.bytes_in is None for flow in present)
    unbroken = before is not None and before.counted and at.clock - before.at.clock <= GAP and not unclear
    return Use(
        at=at,
        watched=before.watched if before is not None and unbroken else at.clock,
        connections=sum(flow.established for flow in present),
        counted=counted,
        totals=Totals(
            start.bytes_in + sum(growth.bytes_in for growth in grown),
            start.bytes_out + sum(growth.bytes_out for growth in grown),
        ),
        active=at if active else before.active if before is not None else None,
        flows=fresh,
    )


class _Growth(NamedTuple):
    bytes_in: int
    bytes_out: int
    active: bool


def _growth(now: Totals, before: Totals | None) -> _Growth:
    if before is None or now.bytes_in < before.bytes_in:
        return _Growth(*now, active=now.bytes_in > KNOCK)
    bytes_in = now.bytes_in - before.bytes_in
    return _Growth(bytes_in, max(0, now.bytes_out - before.bytes_out), active=bytes_in > 0)


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a service to the outside: not every change, so that many services stay cheap."""

    at: float
    connections: int
    totals: Totals | None
    """None: not counted."""
    active_at: datetime | None
    pause: float = FIRST_PAUSE


def tell(told: Told | None, use: Use, every: float) -> Told:
    """What is to be told after a look; the same object where nothing is.

    Bytes at most once in ``every`` seconds; connections sooner, the first time after four seconds.
    """
    totals = use.totals if use.counted else None
    news = Told(use.at.clock, use.connections, totals, use.active.wall if use.active else None)
    if told is None:
        return news
    waited = news.at - told.at
    calm = waited >= 2 * every
    if (told.totals is None) != (totals is None) or (told.connections != use.connections and waited >= told.pause):
        return news if calm else replace(news, pause=min(2 * told.pause, every))
    if (told.totals, told.active_at) != (totals, news.active_at) and waited >= every:
        return news if calm else replace(news, pause=told.pause)
    return told
