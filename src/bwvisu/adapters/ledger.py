"""The keyhole's ledger in etcd, as any replica sees it: secrets by key, requests and reports created once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bwvisu.adapters.etcd import Absent, Conflict, EtcdError, Mirror, OutcomeUnknown, Put, Store
from bwvisu.adapters.records import Keys, decode, encode
from bwvisu.adapters.vault import Vault
from bwvisu.errors import OperatorError, TryAgain
from keyhole.domain import Grant, GrantPhase, JobForwards, PortRequest, Refusal, Report, Run
from keyhole.interfaces import LedgerUnavailable

T = TypeVar("T")
_PLAIN = Vault()


class EtcdLedger:
    """`keyhole.interfaces.Ledger`; ``forwards`` mirrors the leader's records."""

    def __init__(self, store: Store, keys: Keys, forwards: Mirror[JobForwards], vault: Vault = _PLAIN) -> None:
        self._store = store
        self._keys = keys
        self._forwards = forwards
        self._vault = vault
        self._news = asyncio.Event()
        forwards.on_change(lambda _: self._news.set())

    async def secret(self, job_id: str) -> bytes | None:
        """Read from etcd each time: a secret is kept nowhere else."""
        entry = await _asked(lambda: self._store.get(self._keys.secret(job_id)))
        try:
            return self._vault.open(job_id, entry.value) if entry is not None else None
        except (OperatorError, TryAgain) as error:
            raise LedgerUnavailable(str(error)) from error

    async def add_request(self, request: PortRequest) -> PortRequest:
        """Create the request, or answer the one that was there first."""
        key = self._keys.request(request.job_id, request.run)
        stored = await self._create(key, encode(request))
        return request if stored is None else decode(PortRequest, stored)

    async def add_report(self, report: Report) -> bool:
        """Create the report; False where its number is used."""
        return await self._create(self._keys.report(report.job_id, report.run, report.seq), encode(report)) is None

    async def answer(self, job_id: str, run: Run, seconds: float) -> Grant | Refusal | None:
        """Wait for the leader's record to say something final about this run."""
        try:
            async with asyncio.timeout(seconds):
                while (found := self._found(job_id, run)) is None:
                    await self._next_change()
        except TimeoutError:
            return None
        return found

    def _found(self, job_id: str, run: Run) -> Grant | Refusal | None:
        record = self._forwards.values.get(self._keys.forwards(job_id))
        if record is None:
            return None
        grant = record.grant_for(run)
        if grant is not None and grant.phase is GrantPhase.OPEN:
            return grant
        return record.refusals.get(str(run))

    async def _next_change(self) -> None:
        """One event per change, shared by all who wait."""
        news = self._news
        await news.wait()
        if self._news is news:
            self._news = asyncio.Event()

    async def _create(self, key: str, value: bytes) -> bytes | None:
        """Create a key; answers the value that was there before us, None where ours was stored.

        After an unknown result the key is read back: a value equal to ours is ours.
        """
        try:
            result = await _asked(lambda: self._store.commit([Absent(key)], [Put(key, value)]))
        except OutcomeUnknown as error:
            entry = await _asked(lambda: self._store.get(key))
            if entry is None:
                raise LedgerUnavailable("the store did not say whether it kept the record") from error
            return None if entry.value == value else entry.value
        current = result.current[key] if isinstance(result, Conflict) else None
        return current.value if current is not None else None


async def _asked(call: Callable[[], Awaitable[T]]) -> T:
    try:
        return await call()
    except OutcomeUnknown:
        raise
    except EtcdError as error:
        raise LedgerUnavailable(str(error)) from error
