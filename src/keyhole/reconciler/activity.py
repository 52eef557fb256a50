"""Who uses the services: one command per gateway and interval lists all connections through it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import structlog

from keyhole.activity import GAP, UNCOUNTED, Flow, Instant, Quiet, Told, Totals, Use, look, tell
from keyhole.domain import Gateway, GrantPhase
from keyhole.gateway import Remote, Unanswered, flows, read_flows, read_traffic, traffic
from keyhole.interfaces import Answer, Books, GatewayShell, NoAnswer
from keyhole.nat.model import Target
from keyhole.readiness import Service

_SECONDS = 20.0
"""Longest time for one list."""

_log = structlog.get_logger(__name__)


class Traffic(NamedTuple):
    """One gateway: its services' connections at present, and all bytes since this leader looked first."""

    connections: int
    totals: Totals | None
    """None: not counted."""


class _Silence(NamedTuple):
    """A gateway that could not be asked; monotonic seconds."""

    since: float
    """When it last could be, or was first asked in vain."""
    at: float
    """When it was last asked in vain."""
    why: str


@dataclass(frozen=True, slots=True)
class ActivityPass:
    """What one look found; counts of services."""

    gateway: str
    services: int = 0
    connections: int = 0
    told: int = 0
    """Of which the outside is told something new."""
    detail: str = ""
    """Why nothing could be found."""


class ActivityBoard:
    """Who uses the services of a cluster, as this leader has seen it.

    ``known``: the totals of a service that an earlier leader wrote down.  ``on_change`` is told the jobs of which
    there is something new to write down; ``every``: seconds between two such times while bytes flow.
    """

    def __init__(
        self,
        on_change: Callable[[str], None] = lambda _: None,
        known: Callable[[Service], Totals | None] = lambda _: None,
        every: float = 60.0,
    ) -> None:
        self._on_change = on_change
        self._known = known
        self._every = every
        self._uses: dict[str, dict[Service, Use]] = {}
        self._told: dict[str, dict[Service, Told]] = {}
        self._traffic: dict[str, Traffic] = {}
        self._looks: dict[str, float] = {}
        """By gateway: when it was last looked at; monotonic seconds."""
        self._silences: dict[str, _Silence] = {}

    def told(self, gateway: str, service: Service) -> Told | None:
        """What is to be written down of it; None: nobody has looked."""
        return self._told.get(gateway, {}).get(service)

    def looked(self, gateway: str, service: Service) -> bool:
        """Whether this leader has looked at it, or has tried to for too long."""
        return service in self._uses.get(gateway, {}) or self._lapsed(gateway)

    def quiet(self, gateway: str, service: Service) -> Quiet | None:
        """Since when nobody uses it; None: that cannot be told."""
        use = self._uses.get(gateway, {}).get(service) if not self._lapsed(gateway) else None
        return use.quiet if use is not None else None

    def connections(self) -> Mapping[str, int]:
        """By gateway; one that is not listed could not be asked yet, or not for too long."""
        return {gateway: traffic.connections for gateway, traffic in self.traffic().items()}

    def traffic(self) -> Mapping[str, Traffic]:
        """By gateway; one that is not listed could not be asked yet, or not for too long."""
        return {gateway: traffic for gateway, traffic in self._traffic.items() if not self._lapsed(gateway)}

    def words(self, gateway: str) -> str:
        """What an administrator should know of it; empty: all is well."""
        if silence := self._silences.get(gateway):
            return f"it could not be asked for connections, so it is not known who is active: {silence.why}"
        traffic = self._traffic.get(gateway)
        return UNCOUNTED if traffic is not None and traffic.totals is None else ""

    def silent(self, gateway: str, at: float, why: str) -> bool:
        """Enter that a gateway could not be asked; whether that is news."""
        before = self._silences.get(gateway)
        since = before.since if before is not None else self._looks.get(gateway, at)
        self._silences[gateway] = _Silence(since, at, why)
        return before is None or before.why != why

    def _lapsed(self, gateway: str) -> bool:
        """Whether it could not be asked for so long that what it said last tells nothing of the present."""
        silence = self._silences.get(gateway)
        return silence is not None and silence.at - silence.since > GAP

    def saw(self, gateway: str, found: Mapping[Service, Sequence[Flow]], at: Instant, *, counted: bool) -> int:
        """Enter a look at all services of a gateway; of how many there is something to tell."""
        self._silences.pop(gateway, None)
        self._looks[gateway] = at.clock
        before, told = self._uses.get(gateway, {}), self._told.get(gateway, {})
        uses = {service: self._look(before.get(service), service, each, at, counted) for service, each in found.items()}
        self._uses[gateway] = uses
        self._told[gateway] = {service: tell(told.get(service), use, self._every) for service, use in uses.items()}
        self._traffic[gateway] = self._sum(gateway, before, uses, counted=counted)
        news = [service for service, each in self._told[gateway].items() if each is not told.get(service)]
        for job_id in sorted({service.job_id for service in news}):
            self._on_change(job_id)
        return len(news)

    def _look(self, before: Use | None, service: Service, found: Sequence[Flow], at: Instant, counted: bool) -> Use:
        known = self._known(service) if before is None else None
        return look(before, found, at, counted=counted, known=known)

    def _sum(
        self, gateway: str, before: Mapping[Service, Use], uses: Mapping[Service, Use], *, counted: bool
    ) -> Traffic:
        connections = sum(use.connections for use in uses.values())
        if not counted:
            return Traffic(connections, None)
        past = self._traffic.get(gateway)
        total = past.totals if past is not None and past.totals is not None else Totals(0, 0)
        pairs = [(use.totals, before[service].totals) for service, use in uses.items() if service in before]
        grown_in = sum(now.bytes_in - then.bytes_in for now, then in pairs)
        grown_out = sum(now.bytes_out - then.bytes_out for now, then in pairs)
        return Traffic(connections, Totals(total.bytes_in + grown_in, total.bytes_out + grown_out))


class ActivityWatch:
    """Looks at the connections through one gateway."""

    def __init__(
        self,
        *,
        gateway: Gateway,
        books: Books,
        shell: GatewayShell,
        board: ActivityBoard,
        clock: Callable[[], float],
        wall: Callable[[], datetime],
        installation: str = "",
    ) -> None:
        self._gateway = gateway
        self._installation = installation
        self._books = books
        self._shell = shell
        self._board = board
        self._clock = clock
        self._wall = wall

    async def reconcile(self) -> ActivityPass:
        """Look once.  A gateway that could not be asked changes nothing but that it is not known who is active."""
        at = Instant(self._clock(), self._wall())
        found, counted = await (self._through_proxy() if self._gateway.public_port else self._translated())
        if isinstance(found, Unanswered):
            if self._board.silent(self._gateway.name, at.clock, found.reason):
                _log.warning("activity.unknown", gateway=self._gateway.name, reason=found.reason)
            return ActivityPass(self._gateway.name, detail=found.reason)
        told = self._board.saw(self._gateway.name, found, at, counted=counted)
        connections = self._board.connections()[self._gateway.name]
        return ActivityPass(self._gateway.name, len(found), connections, told)

    async def _translated(self) -> tuple[dict[Service, list[Flow]] | Unanswered, bool]:
        """The flows of each open forward, and whether their bytes are counted."""
        listed = read_flows(await self._run(flows(self._gateway)))
        if isinstance(listed, Unanswered):
            return listed, False
        ways = listed.flows
        return self._found(lambda port, to: [flow for flow in ways.get(port, ()) if flow.target == to]), listed.counted

    async def _through_proxy(self) -> tuple[dict[Service, list[Flow]] | Unanswered, bool]:
        """The same, by the counters of the gateway's proxy: its connections are translated by nobody."""
        passed = read_traffic(await self._run(traffic(self._gateway, self._installation)))
        if isinstance(passed, Unanswered):
            return passed, False
        return self._found(lambda port, to: passed[port].flows(to) if port in passed else []), True

    async def _run(self, call: Remote) -> Answer | NoAnswer:
        return await self._shell.run(self._gateway.name, call.script, call.args, call.stdin, _SECONDS)

    def _found(self, through: Callable[[int, Target], list[Flow]]) -> dict[Service, list[Flow]]:
        """Each open forward with what goes through its external port to its target."""
        return {
            Service(job_id, grant.run, forward.internal_port): through(
                forward.external_port, Target(forward.internal_address, forward.internal_port)
            )
            for job_id, versioned in self._books.forwards().items()
            for grant in versioned.record.grants
            if grant.gateway == self._gateway.name and grant.phase is GrantPhase.OPEN
            for forward in grant.forwards
        }
