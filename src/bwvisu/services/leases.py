"""Records that etcd forgets by itself: one lease for all that are made within the same hour."""

import asyncio

from bwvisu.adapters.etcd import Lease, Store


class Leases:
    """Hands out a lease that surely lasts ``keep`` seconds more and at most ``keep + spare``.

    A lease of its own for each record would double the cost of a request, and etcd's leases are not for thousands.
    """

    def __init__(self, store: Store, *, keep: int = 24 * 3600, spare: int = 3600) -> None:
        self._store = store
        self._keep = keep
        self._spare = spare
        self._current: Lease | None = None
        self._granting = asyncio.Lock()

    async def current(self) -> int:
        """The lease's id, for `Put`.  Raises EtcdUnavailable, EtcdRefused."""
        async with self._granting:
            if self._current is None or self._current.remaining() < self._keep:
                self._current = await self._store.lease(self._keep + self._spare)
            return self._current.id

    def lost(self) -> None:
        """Say that etcd does not know the lease any more."""
        self._current = None
