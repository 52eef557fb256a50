"""One look per cluster and interval, however many ask."""

import asyncio

import pytest

from bwvisu.domain.observation import CouldNotLook, Look, Observation
from bwvisu.reconcilers.watcher import Watcher
from tests.support.waiting import eventually
from tests.unit.reconcilers.term import Clock

FAILED = CouldNotLook("squeue ended with 1", 0.0)


class Eye:
    """Looks that take as long as they are told to and show nothing."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.searches = 0.0
        self.takes = 0.1
        self.fails = False
        self.looks = 0
        self.open = asyncio.Event()
        self.open.set()

    async def look(self) -> Observation:
        self.looks += 1
        self.clock.seconds += self.searches
        began = self.clock()
        await self.open.wait()
        self.clock.seconds += self.takes
        return FAILED if self.fails else Look({}, began, self.clock(), 0)


class Told:
    def __init__(self) -> None:
        self.clock = Clock()
        self.eye = Eye(self.clock)
        self.times = 0
        self.watcher = Watcher("main", self.eye, self.told, poll_interval=5.0, clock=self.clock)

    def told(self) -> None:
        self.times += 1


@pytest.fixture
async def world() -> Told:
    return Told()


async def test_the_last_complete_look_is_kept_and_told(world: Told) -> None:
    seen = await world.watcher.reconcile()
    assert world.watcher.last is seen
    assert (world.watcher.problem, world.times) == ("", 1)


async def test_a_look_that_was_not_complete_changes_nothing_but_says_why(world: Told) -> None:
    """Faults 4 and 5."""
    seen = await world.watcher.reconcile()
    world.eye.fails = True
    await world.watcher.reconcile()
    assert (world.watcher.last, world.watcher.problem, world.times) == (seen, FAILED.reason, 2)


async def test_a_cluster_is_reachable_until_two_looks_in_a_row_have_failed(world: Told) -> None:
    watcher, reachable = world.watcher, []
    for world.eye.fails in (True, False, True, True, False):
        await watcher.reconcile()
        reachable.append(watcher.reachable)
    assert reachable == [True, True, True, False, True]


async def test_who_waits_for_a_look_gets_one_that_began_afterwards(world: Told) -> None:
    world.eye.open.clear()
    under_way = asyncio.create_task(world.watcher.reconcile())
    await eventually(lambda: world.eye.looks == 1)
    world.clock.seconds += 1
    waiters = [asyncio.create_task(world.watcher.look_again()) for _ in range(3)]
    world.eye.open.set()
    await under_way
    assert not any(waiter.done() for waiter in waiters)
    await world.watcher.reconcile()
    assert await asyncio.gather(*waiters) == [True, True, True]
    assert world.eye.looks == 2


async def test_who_waits_hears_that_it_could_not_be_looked(world: Told) -> None:
    world.eye.fails = True
    looking = asyncio.create_task(world.watcher.loop.run())
    try:
        assert await world.watcher.look_again() is False
    finally:
        looking.cancel()


@pytest.mark.parametrize(
    ("takes", "fails", "interval", "gap"),
    [(0.1, False, 5.0, 1.0), (3.0, False, 15.0, 15.0), (9.0, True, 14.0, 10.0)],
    ids=["quick", "slow: a fifth of the time", "failed: soon again"],
)
async def test_the_pace_follows_what_looks_take(
    world: Told, takes: float, fails: bool, interval: float, gap: float
) -> None:
    world.eye.takes, world.eye.fails = takes, fails
    await world.watcher.reconcile()
    assert world.watcher.loop.interval == pytest.approx(interval)
    assert world.watcher.loop.gap == pytest.approx(gap)


async def test_a_search_for_a_command_node_does_not_slow_the_pace(world: Told) -> None:
    """Fault 27: Slurm is not the busier for it, and jobs wait for the next look."""
    world.eye.searches = 3.0
    await world.watcher.reconcile()
    assert world.watcher.loop.interval == pytest.approx(5.0)
    assert world.watcher.loop.gap == pytest.approx(1.0)
