"""Hand changes to many readers without waiting for any of them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from bwvisu.adapters.etcd.replica import Changes

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lagged:
    """The reader was too slow, or history broke off: it must take a new snapshot before it next awaits."""


class Subscription(Generic[T]):
    """An endless iterator over changes, at most ``depth`` of them waiting; then it says `Lagged` once instead.

    To be used with ``with``.  Changes follow without a gap on a snapshot that is taken, without an await in
    between, after subscribing or after `Lagged`.
    """

    def __init__(self, depth: int, leave: Callable[["Subscription[T]"], None]) -> None:
        self._depth = depth
        self._leave = leave
        self._waiting: deque[Changes[T]] = deque()
        self._lagged = False
        self._news = asyncio.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(self)

    def __aiter__(self) -> AsyncIterator[Changes[T] | Lagged]:
        return self

    async def __anext__(self) -> Changes[T] | Lagged:
        while not self._waiting and not self._lagged:
            self._news.clear()
            await self._news.wait()
        if self._lagged:
            self._lagged = False
            return Lagged()
        return self._waiting.popleft()

    def offer(self, changes: Changes[T]) -> None:
        """Queue changes; when the queue is full, all of it gives way to one `Lagged`."""
        if self._lagged:
            return
        if len(self._waiting) >= self._depth:
            self.break_off()
            return
        self._waiting.append(changes)
        self._news.set()

    def break_off(self) -> None:
        """Tell the reader that what it has does not lead to what is now."""
        self._waiting.clear()
        self._lagged = True
        self._news.set()
