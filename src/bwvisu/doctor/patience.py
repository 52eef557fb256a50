"""A wire that waits out the pauses after a failure, in which a host is left alone: they say nothing about the host.

Whoever is interrupted has its connection retired, and a pause begun; what is then to be taken away must not be left for
that.
"""

import asyncio
from collections.abc import Awaitable, Callable

from bwvisu.adapters.ssh import Command, Conversation, Node, Outcome, Wire
from bwvisu.domain.observation import NotStarted

EVERY = 0.5
TRIES = 20
"""Longer than the longest pause of the settings' defaults (5 s)."""


class PatientWire:
    """`Wire` over another one."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def run(self, node: Node, command: Command) -> Outcome:
        """Run it once the host is not left alone any more."""
        return await _tried(lambda: self._wire.run(node, command))

    async def converse(self, node: Node, conversation: Conversation) -> Outcome:
        """Begin it once the host is not left alone any more."""
        return await _tried(lambda: self._wire.converse(node, conversation))

    def failing(self, node: Node) -> str:
        """Why the node is held to be unwell; empty: it is not."""
        return self._wire.failing(node)

    def warm(self, node: Node) -> None:
        """Let a node that was unwell show that it is well again."""
        self._wire.warm(node)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._wire.aclose()


async def _tried(ask: Callable[[], Awaitable[Outcome]]) -> Outcome:
    for _ in range(TRIES - 1):
        outcome = await ask()
        if not isinstance(outcome, NotStarted) or outcome.tried:
            return outcome
        await asyncio.sleep(EVERY)
    return await ask()
