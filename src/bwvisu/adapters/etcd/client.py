"""etcd as a `Store`: reads, fenced transactions, leases, watches and health, each call with a deadline."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aetcd import rpc
from grpc.aio import AioRpcError

from bwvisu.adapters.etcd import snapshot, users, wire
from bwvisu.adapters.etcd.connection import Connection, Credentials, EtcdTls, Member, uptime
from bwvisu.adapters.etcd.errors import Compacted
from bwvisu.adapters.etcd.lease import EtcdLease
from bwvisu.adapters.etcd.model import Batch, Committed, Condition, Conflict, Entry, Keyspace, Listing, Operation
from bwvisu.adapters.etcd.watch import watch

PAGE = 1000
"""Entries asked for at once: a listing of any size is read in answers of a bounded one."""


@dataclass(frozen=True, slots=True)
class MemberHealth:
    """What one member says of itself; ``error`` instead where it did not answer."""

    endpoint: str
    version: str = ""
    database_bytes: int = 0
    has_leader: bool = False
    alarms: tuple[str, ...] = ()
    error: str | None = None

    @property
    def full(self) -> bool:
        """Whether the space quota is used up, so that etcd only reads (alarm NOSPACE)."""
        return any("NOSPACE" in alarm for alarm in self.alarms)


class Etcd:
    """A client of one etcd of one or more members, to be used as an async context manager.

    ``endpoints`` are ``host:port``; ``timeout`` is the deadline of every call in seconds.  `Store` says what
    each method promises.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        *,
        tls: EtcdTls | None = None,
        credentials: Credentials | None = None,
        timeout: float = 3.0,
        page: int = PAGE,
        clock: Callable[[], float] = uptime,
    ) -> None:
        self._settings = (tuple(endpoints), tls, credentials, timeout, clock)
        self._page = page
        self._opened: Connection | None = None

    async def __aenter__(self) -> Self:
        endpoints, tls, credentials, timeout, clock = self._settings
        self._opened = Connection(endpoints, tls=tls, credentials=credentials, timeout=timeout, clock=clock)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.close()

    @property
    def _connection(self) -> Connection:
        if self._opened is None:
            raise RuntimeError("use `async with Etcd(...)`")
        return self._opened

    async def get(self, key: str) -> Entry | None:
        """Read one key, linearizable."""
        response = await self._connection.read(_range, rpc.RangeRequest(key=wire.to_bytes(key)))
        return wire.entry(response.kvs[0]) if response.kvs else None

    async def list(
        self, keys: Keyspace, *, limit: int | None = None, after: str | None = None, revision: int | None = None
    ) -> Listing:
        """Read a prefix or span at one revision, page by page; each page has the deadline of a call."""
        while True:
            try:
                return await self._list(keys, limit, after, revision or 0)
            except Compacted:
                if revision:
                    raise
                # Compacted between two pages of "now": a newer now is as good.

    async def _list(self, keys: Keyspace, limit: int | None, after: str | None, revision: int) -> Listing:
        entries: dict[str, Entry] = {}
        while True:
            size = self._page if limit is None else min(self._page, limit - len(entries))
            request = wire.range_request(keys, after=after, limit=size, revision=revision)
            response = await self._connection.read(_range, request)
            entries.update((entry.key, entry) for entry in map(wire.entry, response.kvs))
            revision = revision or response.header.revision
            if not response.more or len(entries) == limit:
                return Listing(entries, revision, more=response.more)
            after = next(reversed(entries))

    async def commit(self, conditions: Sequence[Condition], operations: Sequence[Operation]) -> Committed | Conflict:
        """Do all operations at once if all conditions hold."""
        request = wire.txn_request(conditions, operations)
        response = await self._connection.write(lambda member: member.kv.Txn, request)
        return wire.txn_result(conditions, response)

    async def lease(self, ttl: int) -> EtcdLease:
        """Ask for a lease of ``ttl`` seconds."""
        return await EtcdLease.grant(self._connection, ttl)

    async def watch(self, keys: Keyspace, start_revision: int) -> AsyncGenerator[Batch, None]:
        """Deliver every change of a prefix or span from ``start_revision`` on."""
        async with aclosing(watch(self._connection, keys, start_revision)) as batches:
            async for batch in batches:
                yield batch

    async def save(self, path: Path) -> int:
        """Write a snapshot of the whole database to a new file; see `bwvisu.adapters.etcd.snapshot.save`."""
        return await snapshot.save(self._connection, path)

    async def health(self) -> tuple[MemberHealth, ...]:
        """Ask every member how it is, all at once; one that does not answer is part of the answer."""
        connection = self._connection
        return tuple(await asyncio.gather(*(_ask(member, connection.timeout) for member in connection.members)))

    async def settle(self, user: str, below: str, wanted: Collection[users.Permission]) -> int:
        """Let a user of etcd have just these rights; see `users.settle`.  Needs root's rights once users count."""
        return await users.settle(self._connection, user, below, wanted)


async def _ask(member: Member, patience: float) -> MemberHealth:
    """Status needs no rights at etcd, unlike the list of alarms, and names them too."""
    try:
        status = await member.maintenance.Status(rpc.StatusRequest(), timeout=patience)
    except AioRpcError as error:
        return MemberHealth(member.endpoint, error=f"{error.code().name}: {error.details()}")
    return MemberHealth(member.endpoint, status.version, status.dbSize, bool(status.leader), tuple(status.errors))


def _range(member: Member) -> Any:
    return member.kv.Range
