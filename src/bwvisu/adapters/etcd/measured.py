"""A `Store` whose calls are counted and timed, and which is otherwise the one behind it."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram

from bwvisu.adapters.etcd.errors import (
    Compacted,
    EtcdFull,
    EtcdRefused,
    EtcdUnavailable,
    LeaseLost,
    OutcomeUnknown,
    TransactionTooLarge,
)
from bwvisu.adapters.etcd.model import (
    Batch,
    Committed,
    Condition,
    Conflict,
    Entry,
    Keyspace,
    Lease,
    Listing,
    Operation,
    Store,
)

T = TypeVar("T")

_RESULTS: dict[type[BaseException], str] = {
    EtcdFull: "full",
    EtcdRefused: "refused",
    OutcomeUnknown: "unknown",
    EtcdUnavailable: "unavailable",
    Compacted: "compacted",
    LeaseLost: "lease-lost",
    TransactionTooLarge: "too-large",
}
"""The first that fits counts; anything else is told as a defect."""


class MeasuredStore:
    """See `Store`; calls of leases and the watches' events are not timed."""

    def __init__(
        self, store: Store, registry: CollectorRegistry, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._store = store
        self._clock = clock
        self._count = Counter(
            "bwvisu_etcd_requests", "Calls of etcd, by what became of them", ["call", "result"], registry=registry
        )
        self._seconds = Histogram(
            "bwvisu_etcd_request_seconds", "From a call of etcd to its answer or its error", ["call"], registry=registry
        )

    async def get(self, key: str) -> Entry | None:
        """See `Store`."""
        return await self._timed("get", self._store.get(key))

    async def list(
        self, keys: Keyspace, *, limit: int | None = None, after: str | None = None, revision: int | None = None
    ) -> Listing:
        """See `Store`."""
        return await self._timed("list", self._store.list(keys, limit=limit, after=after, revision=revision))

    async def commit(self, conditions: Sequence[Condition], operations: Sequence[Operation]) -> Committed | Conflict:
        """See `Store`."""
        return await self._timed("commit", self._store.commit(conditions, operations))

    async def lease(self, ttl: int) -> Lease:
        """See `Store`."""
        return await self._timed("lease", self._store.lease(ttl))

    def watch(self, keys: Keyspace, start_revision: int) -> AsyncGenerator[Batch, None]:
        """See `Store`."""
        return self._store.watch(keys, start_revision)

    async def _timed(self, call: str, asked: Awaitable[T]) -> T:
        began, result = self._clock(), "cancelled"
        try:
            answer = await asked
            result = "conflict" if isinstance(answer, Conflict) else "done"
        except Exception as error:
            result = next((word for kind, word in _RESULTS.items() if isinstance(error, kind)), "defect")
            raise
        else:
            return answer
        finally:
            self._count.labels(call, result).inc()
            self._seconds.labels(call).observe(self._clock() - began)
