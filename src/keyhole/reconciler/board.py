"""What this leader last saw of its gateways and services.  In memory only: a new leader believes nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass

from keyhole.allocation import Allotment, Blocked
from keyhole.nat.conflicts import Conflict
from keyhole.nat.model import Table
from keyhole.readiness import Health, Service


@dataclass(frozen=True, slots=True)
class GatewayState:
    """One gateway at the last attempt to reach it."""

    usable: bool
    """It answered, and holds what it is to hold."""
    detail: str = ""
    conflicts: tuple[Conflict, ...] = ()

    @property
    def words(self) -> str:
        """What an administrator should know of it; empty: all is well."""
        rivals = "; ".join(conflict.rule for conflict in self.conflicts[:3])
        return self.detail or (f"foreign rules translate ports of ours: {rivals}" if rivals else "")


class GatewayBoard:
    """The gateways of a cluster, as their syncs see them."""

    def __init__(self) -> None:
        self._states: dict[str, GatewayState] = {}
        self._held: dict[str, Table] = {}
        self._strays: set[tuple[str, int]] = set()

    def saw(self, gateway: str, state: GatewayState) -> None:
        """Enter the last look."""
        self._states[gateway] = state

    def silent(self, gateway: str, reason: str) -> None:
        """Somebody could not reach the gateway: no new forwards there until its next sync."""
        self._states[gateway] = GatewayState(usable=False, detail=reason)

    def holds(self, gateway: str, table: Table) -> None:
        """Enter what the gateway carries for records that cannot be read; it stays until the next look."""
        self._held[gateway] = table

    def held(self) -> Mapping[str, Table]:
        """By gateway: forwards that are nobody's to remove, and whose ports are nobody's to give."""
        return dict(self._held)

    def strayed(self, gateway: str, ports: Iterable[int]) -> None:
        """Ports led somewhere though no record names them; now they do not."""
        self._strays |= {(gateway, port) for port in ports}

    def take_strays(self) -> Set[tuple[str, int]]:
        """All that strayed since this was asked last."""
        taken, self._strays = self._strays, set()
        return taken

    def states(self) -> Mapping[str, GatewayState]:
        """By gateway; one that is not listed was never reached by this leader."""
        return dict(self._states)

    def usable(self) -> list[str]:
        """Gateways that answered, and hold what they are to hold."""
        return sorted(name for name, state in self._states.items() if state.usable)


class Blocklist:
    """Ports that somebody else seems to use, each for a while.

    ``rest``: seconds for which one stays unused that led to a job of which there is no record, as after a restore.
    """

    def __init__(self, clock: Callable[[], float], seconds: float, rest: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._rest = rest
        self._external: dict[tuple[str, int], float] = {}
        self._internal: dict[tuple[str, int], float] = {}
        self._underway: list[Allotment] = []

    @contextmanager
    def underway(self, allotments: Iterable[Allotment]) -> Iterator[None]:
        """While the block lasts, these ports are given to nobody else: they are not in the books yet."""
        own = list(allotments)
        self._underway += own
        try:
            yield
        finally:
            self._underway = [each for each in self._underway if all(each is not other for other in own)]

    def block(self, internal: Iterable[tuple[str, int]], external: Iterable[tuple[str, int]]) -> None:
        """Not these ports of compute hosts, not these ports of gateways."""
        until = self._clock() + self._seconds
        self._internal |= dict.fromkeys(internal, until)
        self._external |= dict.fromkeys(external, until)

    def _renew(self, strays: Iterable[tuple[str, int]]) -> None:
        now = self._clock()
        for stray in strays:
            self._external[stray] = max(self._external.get(stray, 0.0), now + self._rest)
        self._external = {key: until for key, until in self._external.items() if until > now}
        self._internal = {key: until for key, until in self._internal.items() if until > now}

    def current(self, board: GatewayBoard, hosts: Iterable[str]) -> Blocked:
        """All that are blocked now: also those of foreign rules, and of forwards whose records cannot be read.

        To which of the ``hosts`` the latter lead is not known: their inner ports are blocked on all.
        """
        self._renew(board.take_strays())
        external = _grouped(self._external)
        internal = _grouped(self._internal)
        for each in self._underway:
            external.setdefault(each.gateway, set()).update(pair.external for pair in each.pairs)
            for host in each.ask.hosts:
                internal.setdefault(host, set()).update(pair.internal for pair in each.pairs)
        for gateway, state in board.states().items():
            for conflict in state.conflicts:
                external.setdefault(gateway, set()).update(range(conflict.first_port, conflict.last_port + 1))
        for gateway, table in board.held().items():
            external.setdefault(gateway, set()).update(table)
        if inside := {target.port for table in board.held().values() for target in table.values()}:
            for host in hosts:
                internal.setdefault(host, set()).update(inside)
        return Blocked(external, internal)


def _grouped(keys: Iterable[tuple[str, int]]) -> dict[str, set[int]]:
    groups: dict[str, set[int]] = {}
    for name, port in keys:
        groups.setdefault(name, set()).add(port)
    return groups


class ProbeBoard:
    """The health of every probed service of a cluster; ``on_change`` is told the jobs whose services changed."""

    def __init__(self, on_change: Callable[[str], None] = lambda _: None) -> None:
        self._on_change = on_change
        self._health: dict[str, dict[Service, Health]] = {}

    def of(self, gateway: str) -> Mapping[Service, Health]:
        """What is known from one gateway's probes."""
        return self._health.get(gateway, {})

    def health(self) -> Mapping[Service, Health]:
        """What is known from all."""
        return {service: health for each in self._health.values() for service, health in each.items()}

    def update(self, gateway: str, health: Mapping[Service, Health]) -> Set[str]:
        """Replace what is known from one gateway; the jobs of which a service came or went."""
        before = self.of(gateway)
        changed = {
            service.job_id
            for service in before.keys() | health.keys()
            if before.get(service, Health()).reachable != health.get(service, Health()).reachable
        }
        self._health[gateway] = dict(health)
        for job_id in sorted(changed):
            self._on_change(job_id)
        return changed
