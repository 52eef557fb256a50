"""Waiting for the world: a condition with a deadline, never a fixed sleep; and ports that nobody has."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import closing


def free_port() -> int:
    """A TCP port of loopback that nobody listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Poll until the condition holds; TimeoutError at the deadline."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def eventually_true(condition: Callable[[], Awaitable[bool]], seconds: float = 5.0) -> None:
    """Like `eventually`, for a condition that must ask somebody."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def until(condition: Callable[[], object], seconds: float = 20.0, what: str = "the condition holds") -> None:
    """Wait until the condition holds, without an event loop; AssertionError when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
