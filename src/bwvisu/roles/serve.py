"""Running roles until SIGTERM or SIGINT: everything is cancelled, leadership is handed over, then the process ends."""

import asyncio
import resource
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from enum import StrEnum

import structlog

from bwvisu import logs
from bwvisu.errors import TryAgain
from bwvisu.roles.api import run_api
from bwvisu.roles.base import Base, base
from bwvisu.roles.installation import keep_to_the_present, refuse_the_future
from bwvisu.roles.keyhole import run_keyhole
from bwvisu.roles.portal import run_portal
from bwvisu.roles.reconciler import run_reconciler
from bwvisu.settings import Settings

log = structlog.get_logger(__name__)


class Role(StrEnum):
    """What a process can be."""

    ALL = "all"
    API = "api"
    KEYHOLE = "keyhole"
    RECONCILER = "reconciler"
    PORTAL = "portal"


PARTS: Mapping[Role, tuple[Callable[[Base], Awaitable[None]], ...]] = {
    Role.ALL: (run_api, run_keyhole, run_reconciler),
    Role.API: (run_api,),
    Role.KEYHOLE: (run_keyhole,),
    Role.RECONCILER: (run_reconciler,),
}
"""Those that keep or read what is in the store; the portal has no other way than the REST API."""


async def serve(settings: Settings, role: Role) -> None:
    """Run a role; returns after SIGTERM or SIGINT, raises where a part cannot go on."""
    logs.configure()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    _allow_many_files()
    log.info("starting", role=role.value)
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(base(settings)) if role in PARTS else None
        if opened:
            with suppress(TryAgain):  # etcd does not answer: then it is asked beside the work
                await refuse_the_future(opened.store, opened.keys)
        work = (
            [*(part(opened) for part in PARTS[role]), keep_to_the_present(opened.store, opened.keys)] if opened else []
        )
        if role is Role.PORTAL or (role is Role.ALL and settings.portal):
            work.append(run_portal(settings))
        parts = [asyncio.ensure_future(each) for each in work]
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait([*parts, stopping], return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping", role=role.value)
        for task in (*parts, stopping):
            task.cancel()
        await asyncio.wait([*parts, stopping])
    for part in parts:
        if not part.cancelled():
            part.result()


def _allow_many_files() -> None:
    """Each event stream is a file descriptor; what a process gets unasked, often 1,024, is meant for select(2)."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
