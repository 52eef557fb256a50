"""A simulated machine: programs by name, run as the login shell of an SSH session would run them.

What every host has is here: ``timeout``, ``env``, ``sudo``, ``sh -c TEXT``.  Texts are known one by one: a double obeys
exactly one text, and one that it does not know is a defect of the double, told loudly.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from tests.simulation.loop import Process


class Stdin:
    """What a program is sent, as far as it has arrived."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._closed = False
        self._news = asyncio.Event()

    def feed(self, data: bytes) -> None:
        """More has arrived."""
        self._data.extend(data)
        self._news.set()

    def close(self) -> None:
        """Nothing more will come: all was sent, or the connection was lost."""
        self._closed = True
        self._news.set()

    async def read(self, limit: int | None = None) -> bytes:
        """``limit`` bytes, or all until the end; fewer where the end comes first."""
        while not self._closed and (limit is None or len(self._data) < limit):
            self._news.clear()
            await self._news.wait()
        size = len(self._data) if limit is None else limit
        taken = bytes(self._data[:size])
        del self._data[:size]
        return taken


@dataclass(slots=True)
class Streams:
    """A program's three files, and whom it runs as."""

    stdin: Stdin
    stdout: Callable[[bytes], None]
    stderr: Callable[[bytes], None]
    user: str = "bwvisu"
    environ: dict[str, str] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """Print on stdout."""
        self.stdout(text.encode())

    def complain(self, text: str) -> None:
        """Print on stderr."""
        self.stderr(text.encode())


Program = Callable[[Sequence[str], Streams], Awaitable[int]]
"""Arguments without its own name, and its files; returns the exit status."""


class Host:
    """One machine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.up = True
        """Whether it can be reached at all."""
        self.hanging = False
        """It takes connections and then does nothing (a stopped machine)."""
        self.process = Process(name)
        """What its programs run in."""
        self.programs: dict[str, Program] = {
            "timeout": self._timeout,
            "env": self._env,
            "sudo": self._sudo,
            "sh": self._sh,
        }
        self.on_run: Callable[[Sequence[str]], None] = lambda _: None
        """Somebody runs this; all users of a host see arguments."""
        self.on_answer: Callable[[bytes], None] = lambda _: None
        """A program's whole output has reached whoever ran it over SSH."""
        self.on_heard: Callable[[str], None] = lambda _: None
        """An answer has reached this process over SSH."""
        self._texts: dict[str, Program] = {}

    def learn(self, text: str, program: Callable[..., Awaitable[int]], **guards: str) -> None:
        """Obey ``sh -c TEXT sh args...`` by ``program``.

        ``guards``: parts that a text may lack (`make mutants` takes them away): the program is then called with
        ``without=<name>`` and must do what the text without that part would.
        """
        for name, part in guards.items():
            if part not in text:
                program = partial(program, without=name)
        self._texts[text] = program

    async def execute(self, argv: Sequence[str], streams: Streams) -> int:
        """Run a program; 127 where there is none of that name."""
        self.on_run(argv)
        program = self.programs.get(argv[0].rpartition("/")[2])
        if program is None:
            streams.complain(f"{argv[0]}: command not found\n")
            return 127
        return await program(argv[1:], streams)

    def may_act_as(self, user: str) -> str:
        """What sudo says against acting as this user; empty: it may."""
        del user
        return ""

    async def _timeout(self, args: Sequence[str], streams: Streams) -> int:
        """``timeout -k SECONDS SECONDS COMMAND...``: ends the command by TERM, which all of ours obey."""
        if args[0] == "-k":
            args = args[2:]
        try:
            async with asyncio.timeout(float(args[0])):
                return await self.execute(args[1:], streams)
        except TimeoutError:
            return 124

    async def _env(self, args: Sequence[str], streams: Streams) -> int:
        rest = list(args)
        while rest and "=" in rest[0]:
            name, _, value = rest.pop(0).partition("=")
            streams.environ[name] = value
        return await self.execute(rest, streams)

    async def _sudo(self, args: Sequence[str], streams: Streams) -> int:
        """``sudo -n [-u USER] COMMAND...``."""
        rest = [arg for arg in args if arg != "-n"]
        user = "root"
        if rest[0] == "-u":
            user, rest = rest[1], rest[2:]
        if refusal := self.may_act_as(user):
            streams.complain(refusal)
            return 1
        streams.user = user
        return await self.execute(rest, streams)

    async def _sh(self, args: Sequence[str], streams: Streams) -> int:
        """``sh -c TEXT sh ARGUMENTS...``."""
        text = args[1]
        if text not in self._texts:
            raise AssertionError(f"{self.name} does not know this text; does a double need to learn it?\n{text}")
        return await self._texts[text](args[3:], streams)
