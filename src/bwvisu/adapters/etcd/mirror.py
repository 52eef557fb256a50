"""A prefix or span of etcd kept in memory: list, watch from there on, resume, and list again to be sure.

A watch may break (resume from the last *delivered* event, never from a progress revision: etcd #15220), its
history may be compacted (list anew), and it may look healthy while events are lost or never come.  So
everything is listed again every minute, and what the watch then owes is taken for lost when it goes on with
something later, or stays silent for a short grace: it is reported, the watch is abandoned and everything read anew.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from types import MappingProxyType
from typing import Generic, NoReturn, TypeVar

import structlog

from bwvisu.adapters.etcd.errors import Compacted, EtcdError
from bwvisu.adapters.etcd.model import Batch, Entry, Keyspace, Listing, Store
from bwvisu.adapters.etcd.replica import Changes, Replica, caught_up
from bwvisu.adapters.etcd.subscription import Subscription

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Mirror(Generic[T]):
    """The entries of a prefix or span, decoded once per change.  ``run`` must be running; wait for ``ready``.

    ``decode`` may raise anything: the entry is then set aside in ``unreadable`` (key to reason).  The
    mappings are live views: do not keep an iteration over them across an await.  Times are in seconds.

    With ``history`` it begins so many revisions ago, where etcd still has them, and takes the changes since then from
    the watch, in order; it is ``ready`` when it has caught up with the present.
    """

    def __init__(
        self,
        store: Store,
        keys: Keyspace,
        decode: Callable[[Entry], T],
        *,
        history: int = 0,
        relist_every: float = 60.0,
        grace: float = 1.0,
        longest_pause: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.keys = keys
        self.ready = asyncio.Event()
        self.synced_at = float("-inf")
        self.repairs = 0
        self.trouble: Exception | None = None
        self._store = store
        self._replica = Replica(decode)
        self._history = history
        self._owed: dict[str, int] = {}  # what a listing has shown and the watch has yet to deliver ...
        self._due = 0  # ... up to this revision
        self._relist_every, self._grace, self._longest_pause = relist_every, grace, longest_pause
        self._clock = clock
        self._listed_at = float("-inf")
        self._failures = 0
        self._listeners: list[Callable[[Changes[T]], None]] = []
        self._subscriptions: set[Subscription[T]] = set()

    @property
    def age(self) -> float:
        """Seconds since etcd last confirmed what is here; infinite before the first time."""
        return self._clock() - self.synced_at

    @property
    def entries(self) -> Mapping[str, Entry]:
        """Everything there is as it is stored, readable or not."""
        return MappingProxyType(self._replica.entries)

    @property
    def values(self) -> Mapping[str, T]:
        """Everything that could be decoded."""
        return MappingProxyType(self._replica.values)

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Keys that could not be decoded, each with the reason."""
        return MappingProxyType(self._replica.unreadable)

    @property
    def revision(self) -> int:
        """All changes up to this revision are in; 0 before the first listing."""
        return self._replica.revision

    def on_change(self, listener: Callable[[Changes[T]], None]) -> None:
        """Call ``listener`` after each transaction and each listing; it must be quick and must not raise.

        At that time the mirror is what etcd was at the revision of the changes.
        """
        self._listeners.append(listener)

    def subscribe(self, depth: int = 256) -> Subscription[T]:
        """Follow the changes from now on; a reader that is ``depth`` of them behind is told so."""
        subscription: Subscription[T] = Subscription(depth, self._subscriptions.discard)
        self._subscriptions.add(subscription)
        return subscription

    async def run(self) -> NoReturn:
        """Mirror for ever, through every failure of etcd; what fails at present is in ``trouble``."""
        listed = False
        while True:
            try:
                if not listed:
                    await self._load()
                    listed = True
                await self._follow()
            except (Compacted, _Untrusted) as reason:
                listed = False
                self._stumble(reason)
            except EtcdError as error:
                self._stumble(error)
            await asyncio.sleep(min(0.05 * 2**self._failures, self._longest_pause))

    async def _load(self) -> None:
        """Read everything anew.  A revision that runs backwards means a restored etcd: history broke off."""
        began = self._clock()
        present = await self._store.list(self.keys)
        broken = present.revision < self.revision
        past = await self._past(present)
        self._history = 0  # where that leads to nothing, the present will do
        self._listed_at = began
        self._publish(self._replica.replace(past), broken=broken)
        self._owe(self._replica.missing(present), present.revision)
        self._synced(began)

    async def _past(self, present: Listing) -> Listing:
        """Where to begin; it is the present itself where etcd has forgotten more, or no history is wanted."""
        if not self._history:
            return present
        try:
            return await self._store.list(self.keys, revision=max(1, present.revision - self._history))
        except Compacted:
            return present

    async def _follow(self) -> None:
        """Take what the watch delivers, and list again whenever that is due; ends by raising."""
        async with _stream(self._store, self.keys, self.revision + 1) as stream:
            await self._settle(stream)
            while True:
                patience = self._listed_at + self._relist_every - self._clock()
                batch = await stream.next(patience) if patience > 0 else None
                if batch is None:
                    await self._audit(stream)
                else:
                    self._take(batch)
                self._failures = 0

    async def _audit(self, stream: "_Stream") -> None:
        """List again; raises _Untrusted if the watch does not deliver what the listing has more."""
        began = self._clock()
        listing = await self._store.list(self.keys)
        if listing.revision < self.revision:
            raise _Untrusted("revisions run backwards: etcd was restored")
        self._owe(self._replica.missing(listing), listing.revision)
        await self._settle(stream)
        self._replica.confirm(listing)
        self._listed_at = began
        self._synced(began)

    async def _settle(self, stream: "_Stream") -> None:
        """Take what is owed; raises _Untrusted if the watch goes past it, or falls silent before."""
        passed = False
        while self._owed:
            batch = None if passed else await stream.next(self._grace)
            if batch is None:
                self.repairs += len(self._owed)
                raise _Untrusted(f"the watch did not deliver {len(self._owed)} changes, such as {min(self._owed)}")
            self._take(batch)
            passed = batch.revision > self._due

    def _take(self, batch: Batch) -> None:
        for transaction in batch.transactions():
            self._publish(self._replica.apply(transaction))
        self._owe(caught_up(self._owed, batch.events), self._due)
        self._synced(self._clock())

    def _owe(self, debts: dict[str, int], due: int) -> None:
        self._owed, self._due = debts, due
        if not debts:
            self.ready.set()

    def _synced(self, at: float) -> None:
        self.synced_at = at
        self.trouble = None

    def _publish(self, changes: Changes[T], *, broken: bool = False) -> None:
        for subscription in self._subscriptions:
            if broken:
                subscription.break_off()
            elif changes.changes:
                subscription.offer(changes)
        if changes.changes or changes.listed:
            for listener in self._listeners:
                listener(changes)

    def _stumble(self, error: Exception) -> None:
        self._failures = min(self._failures + 1, 10)
        self.trouble = error
        log.warning("etcd-mirror-stumbled", prefix=str(self.keys), reason=str(error), kind=type(error).__name__)


class _Untrusted(Exception):
    """The watch looks healthy but its events do not add up to what etcd holds."""


class _Stream:
    """A watch that can be waited on for a while without being torn by the waiting."""

    def __init__(self, batches: AsyncIterator[Batch]) -> None:
        self._batches = batches
        self._upcoming: asyncio.Task[Batch] | None = None

    async def next(self, patience: float) -> Batch | None:
        """Return the next batch, or None if none comes within ``patience`` seconds."""
        if self._upcoming is None:
            self._upcoming = asyncio.create_task(_next(self._batches))
        done, _ = await asyncio.wait({self._upcoming}, timeout=patience)
        if not done:
            return None
        upcoming, self._upcoming = self._upcoming, None
        return upcoming.result()

    async def close(self) -> None:
        """Give up waiting."""
        if self._upcoming is not None:
            self._upcoming.cancel()
            await asyncio.wait({self._upcoming})


async def _next(batches: AsyncIterator[Batch]) -> Batch:
    return await anext(batches)


@asynccontextmanager
async def _stream(store: Store, keys: Keyspace, start_revision: int) -> AsyncIterator[_Stream]:
    async with aclosing(store.watch(keys, start_revision)) as batches:
        stream = _Stream(batches)
        try:
            yield stream
        finally:
            await stream.close()
