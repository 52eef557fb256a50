"""The wire as its users see it: a pool of connections, or the simulation's stand-in for one."""

from typing import Protocol

from bwvisu.adapters.ssh.command import Command, Conversation, Outcome
from bwvisu.adapters.ssh.settings import Node


class Wire(Protocol):
    """Runs programs on nodes; never raises for what a host or a network does."""

    async def run(self, node: Node, command: Command) -> Outcome:
        """Run ``command`` on ``node``, within its own deadline."""
        ...

    async def converse(self, node: Node, conversation: Conversation) -> Outcome:
        """Start a program, hear its ready line, send it everything, hear its answer."""
        ...

    def failing(self, node: Node) -> str:
        """Why the node is held to be unwell; empty: it is not."""
        ...

    def warm(self, node: Node) -> None:
        """Let a node that was unwell show that it is well again, without waiting for it."""
        ...

    async def aclose(self) -> None:
        """Close every connection; what still runs on hosts is ended there by its own `timeout`."""
        ...
