"""A gateway's files, which survive reboots: a lock, the greatest (generation, epoch), what may hold rules of ours."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from keyhole.domain import Fence
from tests.simulation.weather import Weather

LOCK_SECONDS = 5.0
"""`flock -w`."""


class End(Exception):
    """The text prints its closing line, and ends."""


class TooOld(End):
    """It ends because a greater fence was obeyed before."""


class Fences:
    """What the texts do before anything else, in `fenced`."""

    def __init__(self, weather: Weather) -> None:
        self.files: dict[str, str] = {}
        """Contents by name, without ``.fence``."""
        self.marks: set[tuple[str, str]] = set()
        """(name, what follows it) of the empty files beside them."""
        self.greatest = Fence(0, 0)
        """The greatest that was ever obeyed."""
        self._weather = weather
        self._lock = asyncio.Lock()

    def mark(self, file: str, word: str) -> None:
        """``touch``."""
        self.marks.add((file, word))

    def remember(self, file: str, backend: str, *, listed: bool, ours: bool, check: bool) -> None:
        """What a look learns of a filter; raises `End`, if it does ``check``, where it may hold ours unseen."""
        if listed and ours:
            self.mark(file, backend)
        elif listed:
            self.marks.discard((file, backend))
        elif check and (file, backend) in self.marks:
            raise End(f"fault {backend} may hold rules of ours and cannot be listed ({file}.{backend})")

    def unlock(self) -> None:
        """Whoever held the lock is dead."""
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold the lock; raises `End` where somebody else held it for too long."""
        lock = self._lock
        try:
            async with asyncio.timeout(LOCK_SECONDS):
                if self._weather.strikes("gateway.locked"):
                    await asyncio.sleep(LOCK_SECONDS + 1)
                await lock.acquire()
        except TimeoutError:
            raise End("fault locked") from None
        try:
            yield
        finally:
            lock.release()

    @asynccontextmanager
    async def fenced(self, file: str, fence: Fence, *, check: bool) -> AsyncIterator[None]:
        """Hold the lock, under a fence that is not older than the file's; raises `End`.  ``check``: look at all."""
        async with self.locked():
            known = _read(self.files.get(file, "0 0\n"))
            if known is None:
                raise End(f"fault unreadable {file}.fence")
            if check and fence < known:
                raise TooOld(f"fenced {known.generation} {known.epoch}")
            if fence != known:
                self.files[file] = f"{fence.generation} {fence.epoch}\n"
            self.greatest = max(self.greatest, fence)
            yield


def _read(text: str) -> Fence | None:
    """As the shell reads it: one whole line of two numbers."""
    line, ended, _ = text.partition("\n")
    words = line.split()
    if not ended or len(words) != 2 or not all(word.isdecimal() for word in words):
        return None
    return Fence(int(words[0]), int(words[1]))
