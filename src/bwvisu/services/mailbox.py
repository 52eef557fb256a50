"""What waits for one reader: so much and no more."""

import asyncio
from collections import deque

from bwvisu.services.events import Event, Interest, Lapse, Moment

AT_ONCE = 64
"""Events that are taken out together."""


class Mailbox:
    """Events in order; instead of more than ``depth`` of them, the word that the reader has to begin anew."""

    def __init__(self, interest: Interest, depth: int) -> None:
        self.interest = interest
        self.lapse: Lapse | None = None
        """Why what waited was thrown away, until it is cleared."""
        self.ended = False
        self._depth = depth
        self._waiting: deque[Event] = deque()
        self._news = asyncio.Event()

    def take(self, moment: Moment) -> None:
        """Let wait what is of interest."""
        if self.lapse is not None:
            return
        self._waiting.extend(moment.chosen(self.interest))
        if len(self._waiting) > self._depth:
            self.break_off(Lapse.TOO_SLOW)
        elif self._waiting:
            self._news.set()

    def break_off(self, lapse: Lapse) -> None:
        """Tell the reader that nothing leads from what it has to what is now."""
        self._waiting.clear()
        self.lapse = lapse
        self._news.set()

    def clear(self) -> None:
        """The reader begins anew, with what is now."""
        self._waiting.clear()
        self.lapse = None

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def end(self) -> None:
        """There will be nothing more."""
        self.ended = True
        self._news.set()

    def some(self) -> list[Event]:
        """Take out what waits, if not too much of it."""
        return [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]

    async def news(self, seconds: float) -> bool:
        """Wait until there may be something to do; False: nothing came within ``seconds``."""
        if not self._waiting and self.lapse is None and not self.ended:
            self._news.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return self._news.is_set()  # it may have come while we were being woken
        return True
