"""What people and frontends have asked for lately, where every replica can show it: the newest of the audit trail.

The log is the trail; this is a look at its end, and best effort.  Nobody waits for it: entries are gathered in memory
and written by a task of their own, at most once in `EVERY` seconds, into one of few pages that this process goes round
in.  So a replica costs etcd a write a second at most and `PAGES` small keys, however much is asked, and a page that is
not written any more goes with its lease.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import NoReturn

import structlog
from pydantic import ConfigDict

from bwvisu.adapters.etcd import Entry, EtcdError, LeaseLost, Put
from bwvisu.adapters.records import decode, encode
from bwvisu.domain.audit import AuditPage, AuditRecord
from bwvisu.domain.principal import Principal
from bwvisu.errors import BwvisuError
from bwvisu.services.audit import audit
from bwvisu.services.context import Context

log = structlog.get_logger(__name__)
PAGE = 50
"""Entries of a page, some 15 KB: what one write takes along."""
PAGES = 20
EVERY = 1.0
"""Seconds between two writes of a process."""
LISTED = 50
"""Pages that are read at once."""


class KeptRecord(AuditRecord):
    """A record as some replica has kept it; what a newer version says of it besides is passed over."""

    model_config = ConfigDict(extra="ignore")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are asked for; None: any."""

    user: str | None = None
    job: str | None = None
    action: str | None = None

    def admits(self, record: AuditRecord, principal: Principal) -> bool:
        """Whether it is one of them, and there for this principal at all."""
        wanted = {each.name: getattr(self, each.name) for each in fields(self)}
        named = all(value is None or value == getattr(record, name) for name, value in wanted.items())
        return named and (principal.user is None or record.user == principal.user)


class Chronicle:
    """This process's pages, and the way to everybody's."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._replica = context.random(8).hex()
        self._written = 0
        """How many entries there were."""
        self._pages: dict[int, list[AuditRecord]] = {}
        """By their numbers: those that are not in etcd yet, and the one that is being filled."""
        self._grown: set[int] = set()
        """Numbers of pages that etcd does not have as they are."""
        self._news = asyncio.Event()
        self._storing = asyncio.Lock()

    def write(self, record: AuditRecord) -> None:
        """Into the log at once, into etcd soon; never waits, never fails."""
        audit(record)
        number = self._written // PAGE
        self._pages.setdefault(number, []).append(record)
        self._grown.add(number)
        self._drop(number - PAGES)  # etcd was away for that long
        self._written += 1
        self._news.set()

    async def run(self) -> NoReturn:
        """Keep etcd up to date, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._store()
            except BwvisuError as error:
                self._news.set()
                log.warning("recent entries of the audit trail are not stored yet", reason=str(error))
            await asyncio.sleep(EVERY)

    async def recent(self, principal: Principal, wanted: Wanted, limit: int) -> list[AuditRecord]:
        """The newest entries of all replicas, newest first.  Raises TryAgain, OperatorError."""
        with suppress(EtcdError):  # whatever keeps ours from etcd: what is there can still be read, or not
            await self._store()
        found = [each async for each in self._everybodys() if wanted.admits(each, principal)]
        return sorted(found, key=lambda each: each.at, reverse=True)[:limit]

    async def _store(self) -> None:
        """Put every page that has grown in its place.  Raises EtcdError."""
        async with self._storing:
            for number in sorted(self._grown):
                if number in self._pages:  # else it was dropped meanwhile: etcd is too slow for so many
                    await self._put(number, self._pages[number])

    async def _put(self, number: int, records: list[AuditRecord]) -> None:
        """Only this process writes this key, so nothing is compared; a write without an answer is simply repeated."""
        context, count = self._context, len(records)
        page = AuditPage(entries=tuple(each.model_dump(mode="json") for each in records))
        key = context.state.keys.audit(self._replica, number % PAGES)
        try:
            await context.state.store.commit([], [Put(key, encode(page), await context.leases.current())])
        except LeaseLost:
            context.leases.lost()
            raise
        if len(records) == count:
            self._grown.discard(number)
        if count == PAGE:
            self._drop(number)

    def _drop(self, number: int) -> None:
        self._pages.pop(number, None)
        self._grown.discard(number)

    async def _everybodys(self) -> AsyncIterator[AuditRecord]:
        """What can be read of all pages, a few at a time, so that no answer of etcd's is large."""
        prefix = self._context.state.keys.kind("audit")
        after: str | None = None
        while True:
            listing = await self._context.state.store.list(prefix, limit=LISTED, after=after)
            for entry in listing.entries.values():
                for record in _records(entry):
                    yield record
            if not listing.more:
                return
            after = max(listing.entries)


def _records(entry: Entry) -> Iterator[AuditRecord]:
    """What we understand of a page: another version may have written it."""
    try:
        page = decode(AuditPage, entry.value)
    except ValueError:
        return
    for each in page.entries:
        with suppress(ValueError):
            yield KeptRecord.model_validate(each)
