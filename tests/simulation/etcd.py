"""The simulated etcd: `SimEtcd`, the state machine, and `SimStore`, a client of it that a weather lies between.

`SimStore` promises what the real client does; ``tests/contract/etcd`` runs on both.  Not simulated: several members,
seen one by one (`SimEtcd.available` is their majority; without one it is silent, where a real member says "no leader"
after 3.5 s), rights and certificates, and the pages of a listing.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence

from bwvisu.adapters.etcd import (
    MAX_OPERATIONS,
    Batch,
    Committed,
    Condition,
    Conflict,
    DeletePrefix,
    Entry,
    Keyspace,
    LeaseLost,
    Listing,
    Operation,
    Span,
    TransactionTooLarge,
)
from tests.simulation.etcd_line import KEEPALIVE, Line
from tests.simulation.etcd_machine import Backup, SimEtcd
from tests.simulation.etcd_watch import Watch
from tests.simulation.weather import Weather

__all__ = ["FAULTS", "KEEPALIVE", "Backup", "SimEtcd", "SimLease", "SimStore"]

FAULTS: Mapping[str, str] = {
    "etcd.refused": "a call finds nobody who listens; it fails at once",
    "etcd.request-lost": "a request never arrives; the client waits until its deadline",
    "etcd.answer-lost": "a request is done, and its client never hears of it",
    "etcd.late": "a write is applied after its client has given up",
    "etcd.slow": "a request takes a good part of its deadline",
    "etcd.watch-broken": "a watch ends instead of delivering a transaction",
    "etcd.watch-stalled": "a watch looks healthy and delivers nothing more (fault 14)",
    "etcd.watch-late": "a watch delivers seconds later",
}


class SimLease:
    """See `Lease`; made by `SimStore.lease`."""

    def __init__(self, line: Line, lease_id: int, expires_at: float) -> None:
        self.id = lease_id
        self._line = line
        self._expires_at = expires_at

    def remaining(self) -> float:
        """Seconds that the lease surely still holds."""
        return self._expires_at - self._line.etcd.now()

    async def keep_alive(self) -> None:
        """Extend to the full time."""
        asked_at = self._line.etcd.now()
        ttl = await self._line.read(lambda: self._line.etcd.keep_alive(self.id), writes=True)
        if ttl <= 0:
            self._expires_at = asked_at
            raise LeaseLost(f"lease {self.id:x} has run out")
        self._expires_at = asked_at + ttl

    async def revoke(self) -> None:
        """End it now."""
        self._expires_at = self._line.etcd.now()
        try:
            await self._line.read(lambda: self._line.etcd.revoke(self._line.client, self.id), writes=True)
        except LeaseLost:
            return


class SimStore:
    """A `Store`.  The network and `SimEtcd.on_commit` know it as ``client``; every call has ``timeout`` seconds."""

    def __init__(self, etcd: SimEtcd, client: str, weather: Weather, timeout: float = 5.0) -> None:
        self.client = client
        self._etcd = etcd
        self._line = Line(etcd, client, weather, timeout)
        self._watches: dict[Watch, None] = {}

    async def get(self, key: str) -> Entry | None:
        """Read one key."""
        _named(key)
        return await self._line.read(lambda: self._etcd.entries.get(key))

    async def list(
        self, keys: Keyspace, *, limit: int | None = None, after: str | None = None, revision: int | None = None
    ) -> Listing:
        """Read a prefix or span at one revision."""
        span = Span.of(keys)
        return await self._line.read(lambda: _listing(self._etcd, span, limit, after, revision))

    async def commit(self, conditions: Sequence[Condition], operations: Sequence[Operation]) -> Committed | Conflict:
        """Do all operations at once if all conditions hold."""
        conditions, operations = tuple(conditions), tuple(operations)
        if max(len(conditions), len(operations)) > MAX_OPERATIONS:
            raise TransactionTooLarge(f"{len(operations)} operations under {len(conditions)} conditions")
        for part in (*conditions, *operations):
            _named(part.prefix if isinstance(part, DeletePrefix) else part.key)
        return await self._line.write(lambda: self._etcd.commit(self._line.client, conditions, operations))

    async def lease(self, ttl: int) -> SimLease:
        """Ask for a lease of ``ttl`` seconds."""
        asked_at = self._etcd.now()
        grant = await self._line.read(lambda: self._etcd.grant(ttl), writes=True)
        return SimLease(self._line, grant.id, asked_at + grant.ttl)

    async def watch(self, keys: Keyspace, start_revision: int) -> AsyncGenerator[Batch, None]:
        """Deliver every change of a prefix or span from ``start_revision`` on."""
        span = Span.of(keys)
        if start_revision < 1:
            raise ValueError("a watch starts from a known revision")
        watch = Watch(self._line, span, start_revision)
        self._watches[watch] = None
        try:
            await self._line.once(watch.attach)
            while True:
                yield await watch.next()
        finally:
            watch.close()
            self._watches.pop(watch, None)

    def hang_up(self) -> None:
        """The client's process has died: etcd sees its connections end, and forgets its watches."""
        for watch in self._watches:
            watch.close()
        self._watches.clear()


def _listing(etcd: SimEtcd, span: Span, limit: int | None, after: str | None, revision: int | None) -> Listing:
    entries = etcd.at(revision) if revision else etcd.entries
    keys = sorted(key for key in entries if key in span and (after is None or key > after))
    shown = keys[:limit] if limit else keys
    return Listing({key: entries[key] for key in shown}, revision or etcd.revision, more=len(shown) < len(keys))


def _named(key: str) -> None:
    if not key:
        raise ValueError("an etcd key or prefix must not be empty")
