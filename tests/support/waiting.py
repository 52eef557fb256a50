"""Waiting for the world: a condition with a deadline, never a fixed sleep; and ports that nobody has."""

import asyncio
import random
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import closing

_PORTS = range(15_000, 32_000)
"""Below those that the kernel gives to outgoing connections: one of these, or what is left of it in TIME_WAIT, would
take a port between our look at it and its use.  None of Slurm's, etcd's or this repository's well-known ports."""
_given: set[int] = set()
_chance = random.SystemRandom()  # hypothesis seeds the other one, in every process alike


def free_port() -> int:
    """A TCP port of this machine that nobody has now; never the same one twice, for it may be used much later."""
    while True:
        port = _chance.choice(_PORTS)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True


async def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Poll until the condition holds; TimeoutError at the deadline."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def eventually_true(condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
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
