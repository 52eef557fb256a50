"""Persistent connections, one per node, that any number of callers share."""

import asyncio
import time
from collections.abc import Callable

from bwvisu.adapters.ssh.command import Command, Conversation, Outcome
from bwvisu.adapters.ssh.exchange import Exchange
from bwvisu.adapters.ssh.link import Link, NotOpenedError
from bwvisu.adapters.ssh.settings import Node, SshSettings
from bwvisu.domain.observation import NotStarted, Unknown


class SshPool:
    """Runs programs on nodes; never raises for what a host or a network does."""

    def __init__(self, settings: SshSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._links: dict[Node, Link] = {}

    async def run(self, node: Node, command: Command) -> Outcome:
        """Run ``command`` on ``node``."""
        exchange = Exchange()
        try:
            async with (
                asyncio.timeout(command.start_within) as patience,
                self._link(node).session(command.text(), exchange),
            ):
                _extend(patience, command.patience)
                await exchange.send(command.stdin, eof=True)
                await exchange.ended.wait()
        except (NotOpenedError, TimeoutError) as error:
            return _unfinished(node, error) if exchange.requested else _not_started(node, error)
        return exchange.outcome()

    async def converse(self, node: Node, conversation: Conversation) -> Outcome:
        """Start a program, hear its ready line, send it everything, hear its answer."""
        exchange = Exchange(conversation.ready)
        told = False
        try:
            async with (
                asyncio.timeout(conversation.ready_within) as patience,
                self._link(node).session(conversation.text(), exchange),
            ):
                if not await exchange.heard_ready():
                    return NotStarted(f"{node}: the program ended before it was ready: {exchange.last_words()}")
                if not await exchange.send(conversation.stdin[:-1], eof=False):
                    return NotStarted(f"{node}: the connection was lost before all was sent")
                _extend(patience, conversation.deadline)
                told = True
                await exchange.send(conversation.stdin[-1:], eof=True)
                await exchange.ended.wait()
        except (NotOpenedError, TimeoutError) as error:
            return _unfinished(node, error) if told else _not_started(node, error)
        return exchange.outcome()

    def failing(self, node: Node) -> str:
        """Why the node is held to be unwell; empty: it is not."""
        return self._link(node).breaker.reason

    def warm(self, node: Node) -> None:
        """Let a node that was unwell show that it is well again, without waiting for it."""
        self._link(node).warm()

    async def aclose(self) -> None:
        """Close every connection; what still runs on hosts is ended there by its own `timeout`."""
        await asyncio.gather(*(link.aclose() for link in self._links.values()))

    def _link(self, node: Node) -> Link:
        if node not in self._links:
            self._links[node] = Link(node, self._settings, self._clock)
        return self._links[node]


def _extend(patience: asyncio.Timeout, seconds: float) -> None:
    patience.reschedule(asyncio.get_running_loop().time() + seconds)


def _not_started(node: Node, error: NotOpenedError | TimeoutError) -> NotStarted:
    if isinstance(error, NotOpenedError):
        return NotStarted(str(error), retryable=error.retryable, tried=error.tried)
    return NotStarted(f"{node}: no answer in time")


def _unfinished(node: Node, error: NotOpenedError | TimeoutError) -> Unknown:
    return Unknown(str(error) if isinstance(error, NotOpenedError) else f"{node}: no answer in time")
