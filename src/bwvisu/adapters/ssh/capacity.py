"""How many sessions a host lets one connection have at once: tried, since only its root can read sshd's settings."""

import asyncio
import time
from contextlib import AsyncExitStack

from bwvisu.adapters.ssh.exchange import Exchange
from bwvisu.adapters.ssh.link import Link, NotOpenedError
from bwvisu.adapters.ssh.settings import Node, SshSettings

WITHIN = 60.0
"""Seconds for all of it."""
_HOLD = "exec timeout 70 cat"
"""Runs until its channel is closed."""


async def sessions_at_once(node: Node, settings: SshSettings) -> tuple[int, str]:
    """How many of ``settings.sessions`` were open at the same time on a connection of their own, and why no more.

    Empty words: all of them.  Never raises for what a host does.
    """
    opened, why = 0, ""
    link = Link(node, settings, time.monotonic)
    try:
        async with asyncio.timeout(WITHIN), AsyncExitStack() as stack:
            for _ in range(settings.sessions):
                await stack.enter_async_context(link.session(_HOLD, Exchange()))
                opened += 1
    except NotOpenedError as error:
        why = str(error)
    except TimeoutError:
        why = f"{node}: not within {WITHIN:g} s"
    finally:
        await link.aclose()
    return opened, why
