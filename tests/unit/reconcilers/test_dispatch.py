"""Work beside the passes: one at a time for each key, a bounded number in all."""

import asyncio

from bwvisu.errors import TryAgain
from bwvisu.reconcilers.dispatch import Dispatcher
from tests.support.waiting import eventually


class Work:
    """Pieces of work that wait to be let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.open = asyncio.Event()

    async def __call__(self) -> None:
        self.begun += 1
        await self.open.wait()


async def fails() -> None:
    raise TryAgain("not now")


async def breaks() -> None:
    raise ZeroDivisionError


async def test_a_key_has_one_piece_of_work_at_a_time() -> None:
    work = Work()
    async with Dispatcher(8) as dispatcher:
        assert dispatcher.start("a", work)
        assert not dispatcher.start("a", work)
        assert dispatcher.start("b", work)
        assert dispatcher.busy == {"a", "b"}
        work.open.set()
        await eventually(lambda: not dispatcher.busy)
        assert dispatcher.start("a", work)
    assert work.begun <= 3


async def test_so_much_is_at_work_at_once() -> None:
    work = Work()
    async with Dispatcher(2) as dispatcher:
        for key in range(5):
            dispatcher.start(key, work)
        await eventually(lambda: work.begun == 2)
        work.open.set()
        await eventually(lambda: work.begun == 5)


async def test_whoever_waits_is_told_that_work_is_done() -> None:
    done: list[int] = []
    work = Work()
    async with Dispatcher(2) as dispatcher:
        dispatcher.on_done = lambda: done.append(1)
        dispatcher.start("a", work)
        work.open.set()
        await eventually(lambda: done == [1])


async def test_what_failed_rests_and_holds_nobody_up() -> None:
    """A store that does not answer must not be asked in a hot loop."""
    work = Work()
    work.open.set()
    async with Dispatcher(1, rest=3600) as dispatcher:
        for key, broken in (("a", fails), ("b", breaks)):
            dispatcher.start(key, broken)
        dispatcher.start("c", work)
        await eventually(lambda: dispatcher.busy == {"a", "b"})
        assert work.begun == 1


async def test_leaving_ends_what_is_at_work() -> None:
    work = Work()
    async with Dispatcher(2) as dispatcher:
        dispatcher.start("a", work)
        await eventually(lambda: work.begun == 1)
    assert dispatcher.busy == frozenset()
