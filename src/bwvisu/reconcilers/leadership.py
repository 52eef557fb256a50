"""Who leads: one of the reconcilers, by a lease in etcd; and for how long it may believe so.

The leader's key hangs on a lease.  Its create-revision is the *epoch*: every write of the leader compares
it, so that etcd refuses the writes of a former leader.  What etcd cannot fence (an SSH command) is kept in
bounds by time: a leader counts its lease from before it asked for it, so it stops believing no later than
etcd does, and begins nothing that may outlast it.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

import structlog

from bwvisu.adapters.etcd import (
    Absent,
    Committed,
    Condition,
    Conflict,
    CreatedAt,
    Entry,
    EtcdError,
    EtcdRefused,
    EtcdUnavailable,
    Lease,
    LeaseLost,
    Operation,
    OutcomeUnknown,
    Put,
    Store,
)
from bwvisu.errors import TryAgain

Work = Callable[["Leadership"], Coroutine[Any, Any, None]]
"""What a leader does; it is cancelled when its term ends."""

log = structlog.get_logger(__name__)

_PAUSE = 0.3
"""Seconds between tries while etcd does not answer."""


class NotLeader(TryAgain):
    """Nobody must act: another one leads, or will; stop what was being done."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """How a leader presents itself to people; stored in the leader's key."""

    name: str
    host: str

    def record(self, since: datetime) -> bytes:
        """The key's value, JSON: ``{"name", "host", "since"}`` (RFC 3339)."""
        return json.dumps({"name": self.name, "host": self.host, "since": since.isoformat()}).encode()


class Leadership:
    """One term of office.  It is lost once and for all; the next term is another object with a higher epoch.

    Loops get this object, so that one that was left over from an earlier term cannot act in a later one.
    """

    def __init__(self, store: Store, key: str, epoch: int, lease: Lease) -> None:
        self.epoch = epoch
        self.lost = asyncio.Event()
        self._store = store
        self._key = key
        self._lease = lease

    @property
    def is_leader(self) -> bool:
        """Whether the term still lasts."""
        return self.remaining() > 0

    def remaining(self) -> float:
        """Seconds for which nobody else can have become leader; 0 when the term is over."""
        return 0.0 if self.lost.is_set() else max(self._lease.remaining(), 0.0)

    def guard(self, seconds_needed: float) -> None:
        """Raise NotLeader unless an effect that may take so long would end within the term.

        Between two renewals ``remaining`` falls to two thirds of the lease's time: ask for less than that.
        """
        left = self.remaining()
        if left < seconds_needed or left <= 0:
            raise NotLeader(f"epoch {self.epoch} has {left:.1f} s left of the {seconds_needed:.1f} s needed")

    def fence_condition(self) -> CreatedAt:
        """The condition of every write of this leader: the leader's key is still the one of this term."""
        return CreatedAt(self._key, self.epoch)

    async def renew(self) -> None:
        """Extend the term, if the key is still ours (a person may have removed it).  Raises as `Lease` does."""
        await self._lease.keep_alive()
        if not _holds(await self._store.get(self._key), self.epoch):
            raise LeaseLost(f"{self._key} is no longer that of epoch {self.epoch}")

    def lose(self) -> None:
        """End the term: whatever waits for ``lost`` stops."""
        self.lost.set()

    async def commit(self, conditions: Sequence[Condition], operations: Sequence[Operation]) -> Committed | Conflict:
        """Commit as leader.  Raises NotLeader when fenced off; a Conflict is only ever about ``conditions``.

        Other errors are those of `Store.commit`.
        """
        self.guard(0)
        result = await self._store.commit([self.fence_condition(), *conditions], operations)
        if isinstance(result, Committed):
            return result
        if not _holds(result.current[self._key], self.epoch):
            self.lose()
            raise NotLeader(f"epoch {self.epoch} is over: fenced off by etcd")
        return Conflict({k: v for k, v in result.current.items() if k != self._key}, result.revision)


class Election:
    """One candidate's way into office and out of it, again and again.

    ``ttl`` (seconds) is how long a dead leader keeps its office; 10 leaves room for a busy machine.
    """

    def __init__(
        self,
        store: Store,
        key: str,
        candidate: Candidate,
        *,
        ttl: int = 10,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.leadership: Leadership | None = None  # the present term, or the last one
        self._store = store
        self._key = key
        self._candidate = candidate
        self._ttl = ttl
        self._now = now
        self._lease: Lease | None = None

    async def run(self, work: Work) -> NoReturn:
        """Be elected, do ``work`` for as long as the term lasts, and stand again; for ever.

        ``work`` is cancelled when the term is lost.  When ``run`` is cancelled (SIGTERM), work is stopped
        first and then the office vacated, so that the next leader need not wait.  What work raises, ends it.
        """
        try:
            while True:
                self.leadership = await self._campaign()
                log.info("leader-elected", epoch=self.leadership.epoch, name=self._candidate.name)
                await self._serve(self.leadership, work)
                log.info("leader-stood-down", epoch=self.leadership.epoch, name=self._candidate.name)
        finally:
            with suppress(EtcdError):
                await self._vacate()

    async def _campaign(self) -> Leadership:
        while True:
            try:
                await self._vacate()
                await self._until_vacant()
                if leadership := await self._stand():
                    return leadership
            except EtcdError as error:
                log.warning("leader-campaign-stumbled", reason=str(error))
                await asyncio.sleep(self._ttl / 3 if isinstance(error, EtcdRefused) else _PAUSE)

    async def _until_vacant(self) -> None:
        """Return when nobody seems to lead, or after a while in any case: standing again is the better look."""
        listing = await self._store.list(self._key)
        if self._key not in listing.entries:
            return
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(2 * self._ttl),
                aclosing(self._store.watch(self._key, listing.revision + 1)) as news,
            ):
                async for batch in news:
                    if any(event.key == self._key and event.entry is None for event in batch.events):
                        return

    async def _stand(self) -> Leadership | None:
        """Try to take the office; None when another has it.

        An answer may be lost although the key was written.  Trying again with the same lease tells: the
        key is then there, and hangs on that lease.
        """
        lease = self._lease = await self._store.lease(self._ttl)
        record = Put(self._key, self._candidate.record(self._now()), lease.id)
        while lease.remaining() > 0:
            with suppress(EtcdUnavailable, OutcomeUnknown):
                result = await self._store.commit([Absent(self._key)], [record])
                epoch = epoch_won(result, self._key, lease.id)
                return None if epoch is None else Leadership(self._store, self._key, epoch, lease)
            await asyncio.sleep(_PAUSE)
        return None

    async def _serve(self, leadership: Leadership, work: Work) -> None:
        holding = asyncio.create_task(self._hold(leadership))
        working = asyncio.create_task(work(leadership))
        try:
            await asyncio.wait({holding, working}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _stop(working)  # while the office is still held
            leadership.lose()
            await _stop(holding)
        for task in (working, holding):
            if not task.cancelled():
                task.result()

    async def _hold(self, leadership: Leadership) -> None:
        """Renew the term until it is lost.  Returns no later than the lease surely lasts."""
        pause = self._ttl / 3
        while leadership.is_leader:
            with suppress(TimeoutError):
                await asyncio.wait_for(leadership.lost.wait(), min(pause, leadership.remaining()))
            if leadership.lost.is_set():
                return
            pause = self._ttl / 3 if await self._renewed(leadership) else _PAUSE
        leadership.lose()

    async def _renewed(self, leadership: Leadership) -> bool:
        try:
            async with asyncio.timeout(leadership.remaining()):
                await leadership.renew()
        except LeaseLost as error:
            log.warning("leader-lost-office", epoch=leadership.epoch, reason=str(error))
            leadership.lose()
        except (EtcdError, TimeoutError) as error:
            log.warning("leader-not-renewed", epoch=leadership.epoch, reason=str(error))
        else:
            return True
        return False

    async def _vacate(self) -> None:
        """End the lease of an earlier term or try; its key would keep everybody waiting, us included."""
        if self._lease is not None:
            await self._lease.revoke()
            self._lease = None


def epoch_won(result: Committed | Conflict, key: str, lease_id: int) -> int | None:
    """Read the outcome of standing for election: the epoch, or None when another's key is there.

    A key created by a transaction has that transaction's revision; one that hangs on our own lease was
    written by an earlier try of ours.
    """
    if isinstance(result, Committed):
        return result.revision
    entry = result.current[key]
    return entry.create_revision if entry is not None and entry.lease == lease_id else None


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _holds(entry: Entry | None, epoch: int) -> bool:
    return entry is not None and entry.create_revision == epoch
