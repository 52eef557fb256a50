"""One answer for all who ask at about the same time: what everybody is told alike, each page need not fetch."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Asks at most once in ``seconds``; whoever comes meanwhile gets, or waits for, the same answer.

    A failure is everybody's who waited for it, and nobody's after that.
    """

    def __init__(
        self, ask: Callable[[], Awaitable[T]], seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._clock = clock
        self._asked_at = 0.0
        self._answer: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """The answer; raises what asking raises."""
        if self._answer is None or self._is_over(self._answer):
            self._asked_at = self._clock()
            self._answer = asyncio.create_task(self._asked())
        return await asyncio.shield(self._answer)  # who gives up waiting takes it from nobody else

    async def _asked(self) -> T:
        return await self._ask()

    def _is_over(self, answer: asyncio.Task[T]) -> bool:
        if not answer.done():
            return False
        failed = answer.cancelled() or answer.exception() is not None
        return failed or self._clock() - self._asked_at >= self._seconds
