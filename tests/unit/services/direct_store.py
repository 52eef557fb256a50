"""A store without time: etcd's history, and watches that hear of each transaction as soon as the loop turns."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from bwvisu.adapters.etcd import (
    Batch,
    Committed,
    Condition,
    Conflict,
    Entry,
    Keyspace,
    Lease,
    Listing,
    Operation,
    Span,
)
from tests.simulation.etcd_history import History


class DirectStore:
    """A `Store` for one event loop."""

    def __init__(self) -> None:
        self.history = History()
        self._followers: list[tuple[Span, asyncio.Queue[Batch]]] = []

    @property
    def watches(self) -> int:
        """How many are open."""
        return len(self._followers)

    async def get(self, key: str) -> Entry | None:
        return self.history.entries.get(key)

    async def list(
        self,
        keys: Keyspace,
        *,
        limit: int | None = None,  # noqa: ARG002 nobody needs it here
        after: str | None = None,  # noqa: ARG002
        revision: int | None = None,
    ) -> Listing:
        """What there is, or was."""
        span, now = Span.of(keys), revision or self.history.revision
        entries = self.history.at(now)
        return Listing({key: entries[key] for key in sorted(entries) if key in span}, now)

    async def commit(
        self,
        conditions: Sequence[Condition],  # noqa: ARG002
        operations: Sequence[Operation],
    ) -> Committed | Conflict:
        return self.do(*operations)

    def do(self, *operations: Operation) -> Committed:
        """Do it now."""
        step = self.history.apply(operations)
        for span, news in self._followers:
            if events := tuple(event for event in step.events if event.key in span) if step else ():
                news.put_nowait(Batch(self.history.revision, events))
        return Committed(self.history.revision)

    async def lease(self, ttl: int) -> Lease:
        raise NotImplementedError

    async def watch(self, keys: Keyspace, start_revision: int) -> AsyncGenerator[Batch, None]:
        span, news = Span.of(keys), asyncio.Queue[Batch]()
        if owed := tuple(self.history.replay(span, start_revision)):
            news.put_nowait(Batch(owed[-1].revision, owed))
        self._followers.append(follower := (span, news))
        try:
            while True:
                yield await news.get()
        finally:
            self._followers.remove(follower)
