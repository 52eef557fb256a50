"""What is run on a host, and the three ways it can turn out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bwvisu.adapters.shell import quote
from bwvisu.domain.observation import NotStarted, Unknown

KILL_AFTER = 5
"""Seconds between `timeout`'s TERM and its KILL."""
TIMED_OUT = frozenset({124, 137})
"""How `timeout` ends when it had to end the command, by TERM or by KILL."""
LATENESS = 2.0
"""Seconds that an answer may need to arrive after the host has ended the command."""


@dataclass(frozen=True, slots=True)
class Command:
    """An argv to run on a node.  The whole call takes at most ``start_within + patience`` seconds."""

    argv: Sequence[str]
    deadline: float
    """Seconds that the program may run."""
    stdin: bytes = field(default=b"", repr=False)
    remote_deadline: bool = True
    """Put `timeout` in front, so that the host ends what the wire has given up (closing a channel ends nothing)."""
    start_within: float = 6.0
    """Seconds to get a session: to connect, to wait for a free place, to be answered."""

    @property
    def patience(self) -> float:
        """Seconds to wait for the end once the program was started."""
        return self.deadline + (KILL_AFTER if self.remote_deadline else 0) + LATENESS

    def text(self) -> str:
        """What the login shell reads.  ``exec``: no shell stays behind between sshd and the program."""
        limit = ("timeout", "-k", str(KILL_AFTER), f"{self.deadline:g}") if self.remote_deadline else ()
        return f"exec {quote([*limit, *self.argv])}"


@dataclass(frozen=True, slots=True)
class Conversation:
    """A program that prints the line ``ready`` before it is sent ``stdin``.

    It promises that nothing which matters happens on the host before it has *all* of ``stdin``; the wire holds the
    last byte back until everything before it has left, so that a failure up to then is surely `NotStarted`.
    """

    argv: Sequence[str]
    ready: bytes
    """Something that a login shell's chatter cannot hold."""
    stdin: bytes = field(repr=False)
    deadline: float
    """Seconds for the answer, counted from the last byte sent; the program must end by itself before."""
    ready_within: float = 4.0
    """Seconds to connect, start the program and hear ``ready``."""

    def __post_init__(self) -> None:
        if not self.stdin:
            raise ValueError("a conversation needs something to say")

    def text(self) -> str:
        """What the login shell reads."""
        return f"exec {quote(self.argv)}"


@dataclass(frozen=True, slots=True)
class Completed:
    """The program ended by itself and its whole output arrived."""

    exit_status: int
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)


Outcome = Completed | NotStarted | Unknown
