"""One program on the other side: what it is sent, what it prints, how it ends."""

import asyncio

import asyncssh

from bwvisu.adapters.ssh.command import Completed, Outcome
from bwvisu.domain.observation import Unknown

OUTPUT_LIMIT = 64 * 2**20
"""Bytes, both streams together.  A program that prints more is cut off and its outcome is unknown."""


class Exchange(asyncssh.SSHClientSession[bytes]):
    """The client's end of one session channel, in bytes: asyncssh drops the whole connection on undecodable text."""

    def __init__(self, ready: bytes = b"", limit: int = OUTPUT_LIMIT) -> None:
        self.requested = False
        """Whether the host may have been asked to start the program."""
        self.ended = asyncio.Event()
        """The channel is closed: nothing more will come."""
        self._marker = b"\n" + ready + b"\n"
        self._stirred = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._limit = limit
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self._stdout, self._stderr = bytearray(), bytearray()
        self._exit_status: int | None = None
        self._failure = ""

    def opened(self) -> "Exchange":
        """asyncssh asks for the session when the channel is open and just before it sends the command."""
        self.requested = True
        return self

    async def heard_ready(self) -> bool:
        """Wait for the ready line; False: the program ended without it."""
        while self._marker not in b"\n" + self._stdout:
            if self.ended.is_set():
                return False
            self._stirred.clear()
            await self._stirred.wait()
        return True

    async def send(self, data: bytes, *, eof: bool) -> bool:
        """Hand ``data`` to the connection and wait until it has room again; False: the channel is closed."""
        if self._channel is None or self.ended.is_set() or self._channel.is_closing():
            return False
        self._channel.write(data)
        if eof:
            self._channel.write_eof()
        await self._writable.wait()
        return not self.ended.is_set()

    def abort(self) -> None:
        """Close the channel at once.  What runs on the host goes on."""
        if self._channel is not None and not self.ended.is_set():
            self._channel.abort()

    @property
    def answered(self) -> bool:
        """The program's exit status has arrived."""
        return self._exit_status is not None

    def last_words(self) -> str:
        """The end of what it printed on stderr, for an error's text."""
        return bytes(self._stderr[-300:]).decode(errors="replace").strip()

    def outcome(self) -> Outcome:
        """How it turned out, once it has ended."""
        if self._failure:
            return Unknown(self._failure)
        if self._exit_status is None:
            return Unknown("the connection was lost before the command's end was known")
        return Completed(self._exit_status, bytes(self._stdout), bytes(self._stderr))

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """Note the channel."""
        self._channel = chan

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Keep what was printed, up to the limit."""
        (self._stderr if datatype == asyncssh.EXTENDED_DATA_STDERR else self._stdout).extend(data)
        if len(self._stdout) + len(self._stderr) > self._limit:
            self._failure = f"the command printed more than {self._limit} bytes"
            self.abort()
        self._stirred.set()

    def pause_writing(self) -> None:
        """Hold the sender back."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let the sender go on."""
        self._writable.set()

    def exit_status_received(self, status: int) -> None:
        """Note how the program ended; output may still follow."""
        self._exit_status = status

    def exit_signal_received(self, signal: str, *_: object) -> None:
        """Note that somebody on the host killed the program."""
        self._failure = self._failure or f"the command was ended by SIG{signal}"

    def connection_lost(self, _: Exception | None) -> None:
        """Wake everybody: the channel is closed, for whatever reason."""
        self.ended.set()
        self._stirred.set()
        self._writable.set()
