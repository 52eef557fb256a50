"""What an administrator does with the store as a whole: back it up, and go on after it was restored."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from bwvisu import logs
from bwvisu.errors import OperatorError, TryAgain
from bwvisu.reconcilers.leadership import Election, Leadership
from bwvisu.reconcilers.restored import Restored, restored
from bwvisu.roles.base import Base, base, open_store
from bwvisu.roles.installation import refuse_the_future
from bwvisu.settings import Settings

VACANT_WITHIN = 60.0
"""Seconds within which the lease of the backup's own leader has surely run out."""


async def back_up(settings: Settings, path: Path) -> int:
    """Write a snapshot of etcd to a new file, for its owner only; returns its size in bytes."""
    logs.configure()  # to standard error: what is printed is for programs
    try:
        async with open_store(settings.etcd) as store:
            return await store.save(path)
    except OSError as error:
        raise OperatorError(f"{path} cannot be written: {error.strerror}") from error


async def after_restore(settings: Settings) -> Restored:
    """`restored`, as the one that leads.  Raises TryAgain where a role still runs and leads."""
    logs.configure()
    async with base(settings) as opened:
        return await lead_once(opened)


async def lead_once(opened: Base) -> Restored:
    """Take the office, do it, and leave.  Raises OperatorError where the store is a newer release's own."""
    await refuse_the_future(opened.store, opened.keys)
    async with _office(opened) as leadership:
        return await restored(opened.store, opened.keys, leadership, opened.wall())


@asynccontextmanager
async def _office(opened: Base) -> AsyncIterator[Leadership]:
    """A term of our own."""
    loop = asyncio.get_running_loop()
    elected: asyncio.Future[Leadership] = loop.create_future()

    async def lead(leadership: Leadership) -> None:
        elected.set_result(leadership)
        await asyncio.Event().wait()

    ttl = int(opened.settings.leader.ttl)
    election = Election(opened.store, opened.keys.leader, opened.candidate, ttl=ttl, now=opened.wall)
    standing = loop.create_task(election.run(lead))
    try:
        async with asyncio.timeout(VACANT_WITHIN + ttl):
            either: set[asyncio.Future[Any]] = {elected, standing}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not elected.done():
            await standing
        yield await elected
    except TimeoutError as error:
        raise TryAgain("another process leads: stop all roles, then do this again") from error
    finally:
        standing.cancel()
        with suppress(asyncio.CancelledError):
            await standing
