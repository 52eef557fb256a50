"""Wait until something that changes makes a condition true."""

import asyncio
from collections.abc import Callable


class Pulse:
    """Beats at every change; a waiter looks again at every beat."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def beat(self) -> None:
        """Wake everybody who waits."""
        last, self._next = self._next, asyncio.Event()
        last.set()

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for ``condition`` up to ``seconds``; returns whether it holds."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    await self._next.wait()
        except TimeoutError:
            return condition()
        return True
