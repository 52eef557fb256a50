"""Which gateway and which ports: one pure pass over all waiting requests, so that no two jobs can collide.

The ledger is the only source: a port is owned by whoever holds a grant that names it, in any phase, until the grant is
dropped.  External ports belong to a gateway; internal ports belong to *every* host of the job, since a parallel
application may use the same port everywhere.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import NamedTuple

from keyhole.domain import Grant, Run


class Pair(NamedTuple):
    """A gateway's port and the port that it leads to."""

    external: int
    internal: int


@dataclass(frozen=True, slots=True)
class Ask:
    """``ports`` forwards for a run on ``hosts``; on one certain gateway, drained or not, where ``gateway`` is given.

    ``moved``: the forwards exist elsewhere and go to any gateway that is not ``barred``.  Their inner ports are the
    run's already and stay; the outer ones stay where they are free.
    """

    job_id: str
    run: Run
    hosts: tuple[str, ...]
    ports: int
    gateway: str | None = None
    barred: frozenset[str] = frozenset()
    moved: tuple[Pair, ...] = ()


@dataclass(frozen=True, slots=True)
class Allotment:
    """What an ask was given."""

    ask: Ask
    gateway: str
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Unserved:
    """An ask that was given nothing this time."""

    ask: Ask
    exhausted: bool
    """No gateway that might serve it has room; otherwise there is no such gateway now."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Ports that are not ours to give for now: by gateway, and by compute host."""

    external: Mapping[str, Collection[int]] = field(default_factory=dict)
    internal: Mapping[str, Collection[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Allocation:
    """The results in the order of the asks, and where the next search of each gateway begins."""

    results: tuple[Allotment | Unserved, ...]
    cursors: Mapping[str, int]

    @property
    def allotments(self) -> list[Allotment]:
        """Those that were served."""
        return [result for result in self.results if isinstance(result, Allotment)]


@dataclass(frozen=True, slots=True)
class Pool:
    """What may be given: ``gateways`` that take new forwards, ports from ``first`` to ``last``.

    ``cursors``: by gateway, the port at which the search begins, so that ports are reused as late as possible.
    ``connections``: by gateway, connections that are open through it now.
    """

    gateways: Sequence[str]
    first: int
    last: int
    cursors: Mapping[str, int] = field(default_factory=dict)
    connections: Mapping[str, int] = field(default_factory=dict)


def allocate(asks: Iterable[Ask], grants: Iterable[Grant], blocked: Blocked, pool: Pool) -> Allocation:
    """Serve the asks in their order; the same number outside and inside wherever that is free on both sides."""
    books = _Books(pool)
    for grant in grants:
        books.own(grant.gateway, grant.hosts, (Pair(f.external_port, f.internal_port) for f in grant.forwards))
    books.block(blocked)
    return Allocation(tuple(books.serve(ask) for ask in asks), books.cursors)


class _Books:
    """Who owns what, kept up to date while asks are served."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.external: defaultdict[str, set[int]] = defaultdict(set)
        self.internal: defaultdict[str, set[int]] = defaultdict(set)
        self.load: defaultdict[str, int] = defaultdict(int)
        self.cursors = dict(pool.cursors)

    def own(self, gateway: str, hosts: Iterable[str], pairs: Iterable[Pair]) -> None:
        """Enter the owner's ports."""
        external, internal = zip(*pairs, strict=True) if (pairs := tuple(pairs)) else ((), ())
        self.load[gateway] += len(external)
        self._take(gateway, external)
        for host in hosts:
            self.internal[host].update(internal)

    def block(self, blocked: Blocked) -> None:
        """Enter ports that nobody may have."""
        for gateway, ports in blocked.external.items():
            self._take(gateway, ports)
        for host, ports in blocked.internal.items():
            self.internal[host].update(ports)

    def _take(self, gateway: str, ports: Iterable[int]) -> None:
        # Ports from before the range was changed must not count against its size.
        self.external[gateway].update(port for port in ports if self.pool.first <= port <= self.pool.last)

    def serve(self, ask: Ask) -> Allotment | Unserved:
        """The gateway with the least weight that has room."""
        usable = [ask.gateway] if ask.gateway else [name for name in self.pool.gateways if name not in ask.barred]
        for gateway in sorted(usable, key=lambda name: (self._weight(name), name)):
            if pairs := self._carry_over(gateway, ask) if ask.moved else self._pick(gateway, ask):
                self.own(gateway, ask.hosts, pairs)
                self.cursors[gateway] = pairs[-1].external + 1
                return Allotment(ask, gateway, pairs)
        return Unserved(ask, exhausted=bool(usable))

    def _weight(self, gateway: str) -> int:
        """Forwards and open connections count alike: the first will be used, the others are."""
        return self.load[gateway] + self.pool.connections.get(gateway, 0)

    def _carry_over(self, gateway: str, ask: Ask) -> tuple[Pair, ...] | None:
        """The same ports inside, the same ones outside where this gateway has them free."""
        outside, first, last = self.external[gateway], self.pool.first, self.pool.last
        kept = {each.external for each in ask.moved if first <= each.external <= last} - outside
        others = self._free(gateway, [outside, kept])
        chosen = ((each.external if each.external in kept else next(others, 0), each.internal) for each in ask.moved)
        pairs = tuple(Pair(*each) for each in chosen)
        return pairs if all(pair.external for pair in pairs) else None

    def _pick(self, gateway: str, ask: Ask) -> tuple[Pair, ...] | None:
        outside = self.external[gateway]
        if self.pool.last - self.pool.first + 1 - len(outside) < ask.ports:
            return None
        inside = [self.internal[host] for host in ask.hosts]
        alike = [Pair(port, port) for port in islice(self._free(gateway, [outside, *inside]), ask.ports)]
        rest = ask.ports - len(alike)
        if not rest:
            return tuple(alike)
        used = {pair.external for pair in alike}
        externals = islice(self._free(gateway, [outside, used]), rest)
        internals = islice(self._free(gateway, [*inside, used]), rest)
        pairs = (*alike, *(Pair(*pair) for pair in zip(externals, internals, strict=False)))
        return pairs if len(pairs) == ask.ports else None

    def _free(self, gateway: str, taken: Sequence[set[int]]) -> Iterator[int]:
        """Free ports of the range, from the cursor on and around."""
        first, last = self.pool.first, self.pool.last
        cursor = self.cursors.get(gateway, first)
        start = cursor if first <= cursor <= last else first
        ports = chain(range(start, last + 1), range(first, start))
        return (port for port in ports if not any(port in owned for owned in taken))
