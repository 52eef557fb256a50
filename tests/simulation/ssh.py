"""A simulated wire: what `SshPool` does to programs on other hosts, with everything that can go wrong on the way.

The texts that would go to a login shell are taken apart again, so that hosts see what real ones would see.  Closing a
channel, or the death of the asker, ends nothing on the host; only the program's standard input ends.
"""

import asyncio
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import NoReturn

from bwvisu.adapters.ssh import Command, Completed, Conversation, Node, Outcome
from bwvisu.adapters.ssh.breaker import Breaker
from bwvisu.domain.observation import NotStarted, Unknown
from tests.simulation.host import Host, Stdin, Streams
from tests.simulation.loop import SimLoop
from tests.simulation.weather import Weather, for_ever

FAULTS: Mapping[str, str] = {
    "ssh.refused": "no session can be had: the connection or the channel is refused",
    "ssh.dies-before": "the connection dies while the program is asked for: who knows whether it started",
    "ssh.dies-sending": "it dies in the middle of what is sent",
    "ssh.dies-after": "it dies after all was sent: the program goes on, its answer is lost",
    "ssh.half-answer": "it dies when the program has ended, before its end is known",
    "ssh.hangs": "nothing moves any more, in either direction, and nobody says so",
    "ssh.slow": "packets take seconds",
}
KEEPALIVE = 15.0
"""Seconds after which a silent connection is given up."""


class SimPool:
    """`bwvisu.adapters.ssh.Wire` to simulated hosts, by their names.  ``origin``: the host on which the asker runs."""

    def __init__(self, hosts: Mapping[str, Host], weather: Weather, origin: str = "leader") -> None:
        self.weather = weather
        self.origin = origin
        self._hosts = hosts
        self._breakers: dict[Node, Breaker] = {}
        self._channels: set[Channel] = set()

    async def run(self, node: Node, command: Command) -> Outcome:
        """See `Wire.run`."""

        async def talk(channel: "Channel", patience: asyncio.Timeout) -> Completed:
            _extend(patience, command.patience)
            await channel.send(command.stdin, end=True)
            return await channel.until_ended()

        return await self._call(node, command.text(), command.start_within, talk, unknown_from_start=True)

    async def converse(self, node: Node, conversation: Conversation) -> Outcome:
        """See `Wire.converse`."""

        async def talk(channel: "Channel", patience: asyncio.Timeout) -> Outcome:
            if not await channel.until_heard(conversation.ready):
                return NotStarted(f"{node}: the program ended before it was ready")
            await channel.send(conversation.stdin[:-1], end=False)
            _extend(patience, conversation.deadline)
            channel.committed = True
            await channel.send(conversation.stdin[-1:], end=True)
            return await channel.until_ended()

        return await self._call(node, conversation.text(), conversation.ready_within, talk, unknown_from_start=False)

    def failing(self, node: Node) -> str:
        """See `Wire.failing`."""
        return self._breaker(node).reason

    def warm(self, node: Node) -> None:
        """See `Wire.warm`; connecting costs no time here."""
        host = self._hosts[node.host]
        if host.up and not host.hanging and self.weather.reachable(self.origin, host.name):
            self._breaker(node).succeeded()

    async def aclose(self) -> None:
        """See `Wire.aclose`."""
        self.cut()

    def cut(self) -> None:
        """The asker has died: its connections close."""
        for channel in self._channels:
            channel.hang_up()
        self._channels.clear()

    async def _call(
        self,
        node: Node,
        text: str,
        within: float,
        talk: Callable[["Channel", asyncio.Timeout], Awaitable[Outcome]],
        *,
        unknown_from_start: bool,
    ) -> Outcome:
        breaker = self._breaker(node)
        if pause := breaker.pause(_now()):
            return NotStarted(f"{breaker.reason}; left alone for another {pause:.1f} s", tried=False)
        channel = Channel(self.weather, self.origin, self._hosts[node.host], text)
        self._channels.add(channel)
        try:
            async with asyncio.timeout(within) as patience:
                await channel.open()
                breaker.succeeded()
                channel.committed = unknown_from_start
                return await talk(channel, patience)
        except (Severed, TimeoutError) as error:
            why = f"{node}: {error or 'no answer in time'}"
            if channel.committed:
                return Unknown(why)
            breaker.failed(_now(), why)
            return NotStarted(why)
        finally:
            channel.hang_up()
            self._channels.discard(channel)

    def _breaker(self, node: Node) -> Breaker:
        return self._breakers.setdefault(node, Breaker(first=1.0, limit=5.0))


class Severed(Exception):
    """The connection is gone, and this end knows it."""


class Channel:
    """One program on one host: what it is sent and what has come back."""

    def __init__(self, weather: Weather, origin: str, host: Host, text: str) -> None:
        self.committed = False
        """Something may have happened on the host that matters."""
        self._weather = weather
        self._origin = origin
        self._host = host
        self._argv = _words(text)
        self._stdin = Stdin()
        self._stdout, self._stderr = bytearray(), bytearray()
        self._news = asyncio.Event()
        self._running: asyncio.Task[int] | None = None
        self._hung_up = False

    async def open(self) -> None:
        """Connect and start the program; raises `Severed`."""
        await self._travel()
        if self._weather.strikes("ssh.refused"):
            raise Severed("connection refused")
        if self._weather.strikes("ssh.dies-before"):
            self.committed = True
            raise Severed("connection lost")
        streams = Streams(self._stdin, partial(self._hear, self._stdout), partial(self._hear, self._stderr))
        self._running = _start(self._host, self._argv, streams)
        self._running.add_done_callback(lambda _: self._news.set())

    async def send(self, data: bytes, *, end: bool) -> None:
        """Deliver bytes, or a part of them; raises `Severed`."""
        if len(data) > 1 and self._weather.strikes("ssh.dies-sending"):
            self._stdin.feed(data[: int(self._weather.between(0, len(data)))])
            await self._die("connection lost while sending")
        await self._travel()
        self._stdin.feed(data)
        if end:
            self._stdin.close()

    async def until_heard(self, line: bytes) -> bool:
        """Wait for a line of its output; False: it ended without."""
        marker = b"\n" + line + b"\n"
        while marker not in b"\n" + self._stdout:
            if self._running is None or self._running.done():
                return False
            await self._next()
        await self._travel()
        return True

    async def until_ended(self) -> Completed:
        """Wait for its end; raises `Severed`."""
        if self._weather.strikes("ssh.dies-after"):
            await self._die("connection lost")
        if self._weather.strikes("ssh.hangs"):
            await for_ever()
        assert self._running is not None
        while not self._running.done():
            await self._next()
        if self._weather.strikes("ssh.half-answer"):
            await self._die("connection lost before the command's end was known")
        await self._travel()
        self._host.on_answer(bytes(self._stdout))
        self._host.on_heard(self._origin)
        return Completed(self._running.result(), bytes(self._stdout), bytes(self._stderr))

    def hang_up(self) -> None:
        """This end is gone: the program's input ends, and nobody hears what it says."""
        self._hung_up = True
        self._stdin.close()

    def _hear(self, into: bytearray, data: bytes) -> None:
        if not self._hung_up:
            into.extend(data)
            self._news.set()

    async def _die(self, why: str) -> NoReturn:
        self.hang_up()
        await asyncio.sleep(self._weather.between(0.0, 2.0))
        raise Severed(why)

    async def _next(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def _travel(self) -> None:
        """One way of a packet; where the other side is away, keepalives find out after a while."""
        weather, host = self._weather, self._host
        if host.hanging or not host.up or not weather.reachable(self._origin, host.name):
            await asyncio.sleep(KEEPALIVE)
            raise Severed("no answer to keepalives")
        slow = weather.strikes("ssh.slow")
        await asyncio.sleep(weather.between(0.5, 4.0) if slow else weather.between(0.0, 0.05))


_WORD = re.compile(r"""(?:[^\s'"]|'[^']*'|"[^"]*")+""")
_PART = re.compile(r"""[^'"]+|'[^']*'|"[^"]*\"""")
_QUOTED = re.compile(r"""'[^']*'""")


@lru_cache(maxsize=256)
def _words(text: str) -> tuple[str, ...]:
    """As a login shell would take the text apart; what is quoted as `shlex.quote` does it, without its slow reader."""
    text = text.removeprefix("exec ")
    if "\\" in _QUOTED.sub("", text):
        return tuple(shlex.split(text))
    return tuple("".join(_unquoted(part) for part in _PART.findall(word)) for word in _WORD.findall(text))


def _unquoted(part: str) -> str:
    return part[1:-1] if part[0] in "'\"" else part


def _start(host: Host, argv: Sequence[str], streams: Streams) -> asyncio.Task[int]:
    """Run a program on its own machine, whatever becomes of the asker."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, SimLoop):
        return loop.spawn(host.process, host.execute(argv, streams))
    return loop.create_task(host.execute(argv, streams))


def _extend(patience: asyncio.Timeout, seconds: float) -> None:
    patience.reschedule(_now() + seconds)


def _now() -> float:
    return asyncio.get_running_loop().time()
