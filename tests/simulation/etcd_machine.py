"""etcd as a state machine: `etcd_history`, leases upon it, and the hands that hurt it.

Everything happens at once, at the time ``now()``; `etcd_line` and `etcd_watch` are the way to it.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Protocol

from bwvisu.adapters.etcd import (
    Committed,
    Condition,
    Conflict,
    Delete,
    Entry,
    EtcdFull,
    Event,
    LeaseLost,
    Operation,
    Put,
    Span,
)
from tests.simulation.etcd_history import History, Step, check

EXPIRY_TICK = 0.5
"""Seconds between two looks for leases that have run out."""
SHORTEST_TTL = 2
"""Seconds; etcd grants no less (one and a half election timeouts, rounded up)."""

OnCommit = Callable[[str, Sequence[Condition], Sequence[Operation], Committed | Conflict], None]
"""Who asked, under which conditions, for what, and what came of it.  A lease that runs out is asked for by ``etcd``."""


@dataclass(slots=True)
class Grant:
    """A lease as etcd holds it."""

    id: int
    ttl: int
    expires_at: float

    @property
    def due(self) -> float:
        """When etcd notices that it has run out."""
        return math.ceil(self.expires_at / EXPIRY_TICK) * EXPIRY_TICK


@dataclass(frozen=True, slots=True)
class Backup:
    """What a snapshot file holds; ``leases`` are TTLs by id."""

    revision: int
    entries: dict[str, Entry]
    leases: dict[int, int]


class Follower(Protocol):
    """Who is told of every change: the server's end of a watch."""

    def committed(self, step: Step) -> None:
        """A transaction has changed something."""

    def hung_up(self) -> None:
        """The server has died, and the connection with it."""


class SimEtcd:
    """One etcd, of as many members as nobody needs to know."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.leases: dict[int, Grant] = {}
        self.full = False
        """Alarm NOSPACE: only what frees space is taken."""
        self.up = True
        self.frozen = False
        self.incarnation = 0
        """How often it has died; connections do not outlast that."""
        self.on_commit: OnCommit = lambda *_: None
        self.on_change: Callable[[], None] = lambda: None
        self.followers: list[Follower] = []
        self.context = Context()
        """Nobody's: what the server and the network do belongs to no process that can be killed."""
        self._history = History()
        self._available = True
        self._last_lease = 0x1000
        self._waiting: list[Callable[[], None]] = []

    @property
    def entries(self) -> Mapping[str, Entry]:
        """All keys as they are now."""
        return self._history.entries

    @property
    def revision(self) -> int:
        """That of the last change."""
        return self._history.revision

    @property
    def compacted(self) -> int:
        """The oldest revision that can still be read; 0 before the first compaction."""
        return self._history.compacted

    # ---- requests ---------------------------------------------------------------------------------------------

    def at(self, revision: int) -> Mapping[str, Entry]:
        """All keys as they were; raises Compacted."""
        return self._history.at(revision)

    def replay(self, span: Span, start: int) -> list[Event]:
        """What a watch from ``start`` is owed at once; raises Compacted."""
        return self._history.replay(span, start)

    def commit(
        self, client: str, conditions: Sequence[Condition], operations: Sequence[Operation]
    ) -> Committed | Conflict:
        """One transaction; raises TransactionTooLarge, EtcdRefused, EtcdFull, LeaseLost."""
        check(conditions, operations)
        puts = [operation for operation in operations if isinstance(operation, Put)]
        if puts and self.full:
            raise EtcdFull("etcdserver: mvcc: database space exceeded")
        if not all(self._history.holds(condition) for condition in conditions):
            current = {condition.key: self.entries.get(condition.key) for condition in conditions}
            conflict = Conflict(current, self.revision)
            self.on_commit(client, conditions, operations, conflict)
            return conflict
        if any(put.lease and put.lease not in self.leases for put in puts):
            raise LeaseLost("etcdserver: requested lease not found")
        return self._apply(client, conditions, operations)

    def _apply(self, client: str, conditions: Sequence[Condition], operations: Sequence[Operation]) -> Committed:
        step = self._history.apply(operations)
        committed = Committed(self.revision)
        self.on_commit(client, conditions, operations, committed)
        if step is not None:
            for follower in list(self.followers):
                follower.committed(step)
            self.on_change()
        return committed

    def grant(self, ttl: int) -> Grant:
        """A new lease; raises EtcdFull."""
        if self.full:
            raise EtcdFull("etcdserver: mvcc: database space exceeded")
        self._last_lease += 1
        return self._hold(self._last_lease, max(ttl, SHORTEST_TTL))

    def keep_alive(self, lease_id: int) -> int:
        """Extend a lease; returns its TTL, 0 where it has run out (etcd answers when it has revoked it)."""
        grant = self.leases.get(lease_id)
        if grant is None:
            return 0
        if grant.expires_at <= self.now():
            self.revoke("etcd", lease_id)
            return 0
        grant.expires_at = self.now() + grant.ttl
        return grant.ttl

    def revoke(self, client: str, lease_id: int) -> None:
        """End a lease and remove its keys in one transaction; raises LeaseLost."""
        if self.leases.pop(lease_id, None) is None:
            raise LeaseLost("etcdserver: requested lease not found")
        removals = [Delete(key) for key in sorted(self.entries) if self.entries[key].lease == lease_id]
        if removals:
            self._apply(client, (), removals)

    # ---- leases run out ---------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Revoke what has run out; who is dead, frozen or without a majority cannot."""
        if self.answering:
            for grant in [grant for grant in self.leases.values() if grant.due <= self.now()]:
                self.revoke("etcd", grant.id)

    def _hold(self, lease_id: int, ttl: int) -> Grant:
        grant = self.leases[lease_id] = Grant(lease_id, ttl, self.now() + ttl)
        self._look_at(grant)
        return grant

    def _look_at(self, grant: Grant) -> None:
        """End it if it has run out; else look again when it may have."""
        self.tick()
        if self.leases.get(grant.id) is grant:
            left = grant.due - self.now()
            delay = left if left > 0 else EXPIRY_TICK
            asyncio.get_running_loop().call_later(delay, self._look_at, grant, context=self.context)

    def _renew_leases(self) -> None:
        for grant in self.leases.values():
            grant.expires_at = self.now() + grant.ttl

    # ---- hands ------------------------------------------------------------------------------------------------

    @property
    def answering(self) -> bool:
        """Whether a request that arrives now is dealt with."""
        return self.up and self._available and not self.frozen

    @property
    def available(self) -> bool:
        """Whether there is a majority; without it nothing is answered.  The next leader renews every lease."""
        return self._available

    @available.setter
    def available(self, majority: bool) -> None:
        if majority and not self._available:
            self._renew_leases()
        self._available = majority
        self._moved()

    def pause(self) -> None:
        """SIGSTOP: connections stay, nothing is done; leases run out all the same, as is noticed at `resume`."""
        self.frozen = True

    def resume(self) -> None:
        """SIGCONT: what waits is done now."""
        self.frozen = False
        self._moved()

    def stop(self) -> None:
        """Die: connections break, new ones are refused."""
        self.up = False
        self.incarnation += 1
        for follower in list(self.followers):
            follower.hung_up()
        self._moved()

    def start(self) -> None:
        """Come back with all data; every lease gets its full time again."""
        self.up, self.frozen = True, False
        self._renew_leases()
        self._moved()

    def restart(self) -> None:
        """Die and come back at once."""
        self.stop()
        self.start()

    def compact(self, revision: int) -> None:
        """Forget all history before ``revision``."""
        self._history.compact(revision)

    def backup(self) -> Backup:
        """Take a snapshot."""
        ttls = {grant.id: grant.ttl for grant in self.leases.values()}
        return Backup(self.revision, dict(self.entries), ttls)

    def restore(self, backup: Backup) -> None:
        """Die and come back as the backup was: revisions run backwards."""
        self.stop()
        self._history.restore(backup.revision, backup.entries)
        self.leases.clear()
        for lease_id, ttl in backup.leases.items():
            self._hold(lease_id, ttl)
        self.start()

    def when_moved(self, callback: Callable[[], None]) -> None:
        """Call once when it next dies, starts, goes on, or gains or loses its majority."""
        self._waiting.append(callback)

    def _moved(self) -> None:
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            callback()
        self.on_change()
