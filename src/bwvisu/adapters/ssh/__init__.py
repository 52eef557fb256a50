"""The wire: programs on other hosts, over persistent connections.

In: an argv, bytes and a deadline.  Out: `Completed`, `NotStarted` or `Unknown`; no exception of asyncssh passes this
border.  What a command means, and how its output is read, is not known here.
"""

from bwvisu.adapters.ssh.command import Command, Completed, Conversation, Outcome
from bwvisu.adapters.ssh.measured import MeasuredWire, WireMetrics
from bwvisu.adapters.ssh.pool import SshPool
from bwvisu.adapters.ssh.settings import Node, SshSettings
from bwvisu.adapters.ssh.wire import Wire

__all__ = [
    "Command",
    "Completed",
    "Conversation",
    "MeasuredWire",
    "Node",
    "Outcome",
    "SshPool",
    "SshSettings",
    "Wire",
    "WireMetrics",
]
