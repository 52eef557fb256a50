"""Loops: on a timer and when nudged, one pass at a time, whatever a pass does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from bwvisu.errors import TryAgain
from bwvisu.reconcilers.driver import Loop
from tests.support.waiting import eventually


class Body:
    """Passes that are counted and may be held, or fail."""

    def __init__(self) -> None:
        self.passes = 0
        self.inside = 0
        self.most_inside = 0
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None

    async def __call__(self) -> None:
        self.passes += 1
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        await self.open.wait()
        self.inside -= 1
        if self.failure is not None:
            raise self.failure


@asynccontextmanager
async def running(body: Callable[[], Awaitable[object]], *, interval: float, gap: float = 0.0) -> AsyncIterator[Loop]:
    loop = Loop("test", body, interval=interval, gap=gap)
    task = asyncio.create_task(loop.run())
    try:
        yield loop
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_the_timer_alone_keeps_it_going() -> None:
    body = Body()
    async with running(body, interval=0.01):
        await eventually(lambda: body.passes >= 3)


async def test_a_nudge_is_a_pass_soon() -> None:
    body = Body()
    async with running(body, interval=3600) as loop:
        await eventually(lambda: body.passes == 1)
        loop.nudge()
        await eventually(lambda: body.passes == 2)


async def test_nudges_during_a_pass_are_one_pass_after_it() -> None:
    body = Body()
    body.open.clear()
    async with running(body, interval=3600) as loop:
        await eventually(lambda: body.inside == 1)
        for _ in range(10):
            loop.nudge()
        body.open.set()
        await eventually(lambda: body.passes == 2)
        loop.nudge()
        await eventually(lambda: body.passes == 3)
        assert body.most_inside == 1


async def test_nudges_keep_the_gap() -> None:
    body = Body()
    async with running(body, interval=3600, gap=0.2) as loop:
        await eventually(lambda: body.passes == 1)
        started = asyncio.get_running_loop().time()
        loop.nudge()
        await eventually(lambda: body.passes == 2)
        assert asyncio.get_running_loop().time() - started > 0.15


@pytest.mark.parametrize("failure", [TryAgain("etcd does not answer"), ZeroDivisionError("a defect")])
async def test_a_pass_that_fails_is_told_and_tried_again(failure: Exception) -> None:
    body = Body()
    body.failure = failure
    async with running(body, interval=3600) as loop:
        await eventually(lambda: loop.health.failures_in_a_row == 1)
        assert loop.health.last_error == f"{type(failure).__name__}: {failure}"
        body.failure = None
        await eventually(lambda: loop.health.failures_in_a_row == 0)
        assert (loop.health.failures, loop.health.passes) == (1, 2)
