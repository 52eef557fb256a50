"""Long work beside the passes: one task at a time for each key, a bounded number in all."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

import structlog

from bwvisu.errors import BwvisuError

log = structlog.get_logger(__name__)


class Dispatcher:
    """Starts work and remembers which keys are busy, so that the planner leaves them alone.

    Use it as an async context manager: leaving it cancels what is still at work.
    """

    def __init__(self, limit: int, *, rest: float = 1.0) -> None:
        self.on_done: Callable[[], None] = lambda: None
        """Called whenever some work is done."""
        self._slots = asyncio.Semaphore(limit)
        self._rest = rest
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}

    @property
    def busy(self) -> frozenset[Hashable]:
        """Keys whose work is not done."""
        return frozenset(self._tasks)

    def start(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Begin ``work`` for ``key``; False where the key is busy, and nothing is begun."""
        if key in self._tasks:
            return False
        task = asyncio.create_task(self._run(key, work))
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._done(key))
        return True

    async def _run(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """The next pass plans from the whole state; what failed here is told, and its key rests a while."""
        try:
            async with self._slots:
                await work()
        except BwvisuError as error:
            log.warning("work failed", key=str(key), error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(self._rest)
        except Exception:
            log.exception("work failed by a defect", key=str(key))
            await asyncio.sleep(self._rest)

    def _done(self, key: Hashable) -> None:
        del self._tasks[key]
        self.on_done()

    async def __aenter__(self) -> "Dispatcher":
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
