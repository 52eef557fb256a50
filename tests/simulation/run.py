"""One simulation, from its seed to its verdict."""

import asyncio
import gc
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from bwvisu.settings.cluster import IdleStopSettings, LimitSettings
from tests.simulation import etcd, gateway, job, people, slurm, ssh
from tests.simulation.chaos import MISHAPS, Chaos
from tests.simulation.doors import keep_doors
from tests.simulation.invariants import Violation
from tests.simulation.loop import SimLoop, Stuck
from tests.simulation.promptness import Promptness
from tests.simulation.recording import recording
from tests.simulation.rest import all_served, left_over
from tests.simulation.slurm import Pace
from tests.simulation.world import World

FAULTS = {
    **etcd.FAULTS, **ssh.FAULTS, **slurm.FAULTS, **gateway.FAULTS, **job.FAULTS, **people.FAULTS,
}  # fmt: skip
"""Every small fault, by the name that doubles ask for."""
LONGEST = 400_000
"""Steps; a world that takes more goes round in circles."""
QUICK_IDLE_STOP = IdleStopSettings(minimum=60, warning=20)
"""Storms are short: what takes ten minutes and more would not be seen in them."""
PATIENCE = 400.0
"""Simulated seconds after the storm within which everything must come to rest."""


@dataclass(slots=True)
class Verdict:
    """What became of one seed."""

    seed: int
    steps: int = 0
    seconds: float = 0.0
    """Simulated."""
    failure: str = ""
    faults: dict[str, int] = field(default_factory=dict)
    """What went wrong in the world, and how often."""
    slowest: dict[str, float] = field(default_factory=dict)
    """How long gateways were at variance with what is wanted in a fair world; seconds."""
    trace: list[str] = field(default_factory=list)


def simulate(seed: int) -> Verdict:
    """Run a seed's world to its end; a broken promise is told in ``failure``, with the trace of what led there."""
    chance = random.Random(seed)  # noqa: S311
    loop = SimLoop(chance)  # type: ignore[abstract]  # what nobody asks for raises
    verdict = Verdict(seed)
    world = World(loop, chance, draw_odds(chance), draw_pace(chance), draw_limits(seed), doors=draw_doors(seed))

    chaos = Chaos(world, chance.sample(sorted(MISHAPS), chance.randint(1, 6)))
    promptness = Promptness(world, chaos.troubled, lambda: chaos.calamity)

    def check() -> None:
        promptness.check()
        world.invariants.check()
        if loop.steps > LONGEST:
            raise Violation(f"{LONGEST} steps and no rest")

    loop.on_step = check
    gc.disable()
    try:
        with recording(world):
            loop.run_until_complete(story(world, chaos, seed))
            world.invariants.check()
    except Violation as violation:
        verdict.failure = str(violation)
    except Stuck:
        verdict.failure = "nothing will ever happen again"
    finally:
        verdict.slowest = promptness.slowest
        verdict.steps, verdict.seconds = loop.steps, loop.time()
        verdict.faults, verdict.trace = world.weather.struck, world.trace
        with recording(world):
            loop.end()
        gc.enable()
    return verdict


def judge(seed: int) -> Verdict:
    """`simulate`, without the trace: for many seeds in several processes."""
    verdict = simulate(seed)
    verdict.trace = []
    return verdict


def draw_odds(chance: random.Random) -> dict[str, float]:
    """A few small faults, each with its own probability, so that seeds differ in what they are about."""
    chosen = chance.sample(sorted(FAULTS), chance.randint(0, 8))
    return {name: chance.choice((0.01, 0.05, 0.3)) for name in chosen}


def draw_pace(chance: random.Random) -> Pace:
    """A site's Slurm: some forget ended jobs sooner than anybody can look twice."""
    return Pace(
        min_job_age=chance.choice((20.0, 300.0)),
        slurmd_timeout=chance.choice((30.0, 300.0)),
        begin_again=chance.choice((5.0, 121.0)),
    )


def draw_limits(seed: int) -> LimitSettings | None:
    """Some sites limit their people; drawn apart, so that the others' worlds are what they were before."""
    chance = random.Random(f"limits {seed}")  # noqa: S311
    idle_stop = QUICK_IDLE_STOP if draw_idle_stop(seed) is not None else IdleStopSettings()
    if chance.random() < 0.7:
        return None if idle_stop is not QUICK_IDLE_STOP else LimitSettings(idle_stop=idle_stop)
    running, waiting = chance.choice((1, 2)), chance.choice((0, 1, 3))
    return LimitSettings(running_per_user=running, waiting_per_user=waiting, idle_stop=idle_stop)


def draw_idle_stop(seed: int) -> int | None:
    """Some people ask for their jobs to be stopped after so many minutes without activity; drawn apart, too."""
    chance = random.Random(f"idle {seed}")  # noqa: S311
    return chance.choice((1, 1, 2)) if chance.random() < 0.1 else None


def draw_doors(seed: int) -> bool:
    """Some sites bind forwards to addresses; drawn apart like the limits."""
    return random.Random(f"bound {seed}").random() < 0.3  # noqa: S311


async def story(world: World, chaos: Chaos, seed: int) -> None:
    """Jobs are wanted, everything goes wrong, the storm ends; then all must be as it should be."""
    chance = world.chance
    for service in world.services:
        service.start()
    idle_stop = draw_idle_stop(seed)
    posting = [
        asyncio.ensure_future(a_persons_day(world, chance.uniform(0.0, 60.0), idle_stop))
        for _ in range(chance.randint(1, 5))
    ]
    doors = asyncio.ensure_future(keep_doors(world, seed))
    await chaos.rage(until=chance.uniform(20.0, 120.0))
    await chaos.calm()
    doors.cancel()
    for service in world.services:
        if not service.alive:
            service.start()
    await within(world, 200.0, asyncio.gather(*posting), "not every request was answered")
    await until(world, lambda: all_served(world))
    await within(
        world, 200.0, asyncio.gather(*(each.delete() for each in world.people)), "not every job could be ended"
    )
    await until(world, lambda: left_over(world))
    defects = [defect for service in world.services for defect in service.defects] + world.defects
    if defects:
        raise Violation(defects[0])
    for person in world.people:
        if len(person.accepted) > 1:
            raise Violation(f"{person.key} became {person.accepted}")
    if len(world.invariants.specs) > len(world.people):
        raise Violation("one request became several jobs")


async def a_persons_day(world: World, begin: float, idle_stop: int | None) -> None:
    """Wait, want something, perhaps for longer or not so long, perhaps end it.

    ``idle_stop``: minutes without activity after which it is to be stopped; None: never.
    """
    await asyncio.sleep(begin)
    person = world.person(world.chance.choice(("alice", "bob", "carol")))
    person.idle_stop_minutes = idle_stop
    await person.post()
    if idle_stop is not None and world.chance.random() < 0.5:
        await asyncio.sleep(world.chance.uniform(20.0, 80.0))
        await person.keep()
    for _ in range(world.chance.choice((0, 0, 1, 2, 3))):
        await asyncio.sleep(world.chance.uniform(0.0, 40.0))
        await person.extend(world.chance.choice((600, 1000, 1440)))
    if world.chance.random() < 0.3:
        await asyncio.sleep(world.chance.uniform(0.0, 40.0))
        await person.delete()


async def within(world: World, seconds: float, work: "asyncio.Future[list[None]]", complaint: str) -> None:
    """Wait for people."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        raise Violation(f"{complaint} within {seconds:g} s of calm") from None


async def until(world: World, missing: Callable[[], str]) -> None:
    """Wait until nothing is missing."""
    deadline = world.loop.time() + PATIENCE
    while what := missing():
        if world.loop.time() > deadline:
            raise Violation(f"after {PATIENCE:g} s of calm: {what}")
        await asyncio.sleep(1.0)
