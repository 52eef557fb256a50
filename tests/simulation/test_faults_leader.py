"""Faults of the leader, at every moment of a job's life: whoever leads next goes on, and who led once does no harm."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import pytest
from hypothesis import settings

from bwvisu.domain.lifecycle import Phase
from keyhole.domain import GrantPhase
from tests.simulation.host import Program, Streams
from tests.simulation.loop import WORLD
from tests.simulation.scenario import Scene, simulated
from tests.simulation.service import KEYS, SETTINGS, Reconciler

TTL = float(SETTINGS.leader.ttl)
"""Seconds for which a dead leader keeps its office."""
IN_TIME = 300.0
"""Seconds for each half of a life in which the leader changes: it may have to find out what became of a submission."""
KILLS, STOPS, TERMS = 80, 20, 12
"""Moments, evenly spread over the steps that a leader makes for one job."""

Deed = Callable[[Scene, Reconciler], None]


async def a_life(scene: Scene, at: int = 0, deed: Deed | None = None) -> int:
    """One job from POST until it is forgotten; right after so many steps of the first leader comes the deed.

    How many steps the first leader has made.
    """
    victim, steps = scene.head, 0
    process = victim.process

    def count() -> None:
        nonlocal steps
        if scene.loop.last is process:
            steps += 1
            if steps == at and deed is not None:
                deed(scene, victim)

    scene.on_step = count
    person = await scene.wanted()
    await scene.reaches(person, Phase.READY, IN_TIME)
    await person.delete()
    await scene.reaches(person, Phase.FINISHED, IN_TIME)
    spec = KEYS.spec(person.job_id or "")
    await scene.until(lambda: spec not in scene.etcd.entries, "the job is forgotten", IN_TIME)
    assert len(scene.taken(person)) == 1
    return steps


def sweep(count: int, deed: Deed) -> float:
    """A life for each of so many moments, from the first step to the last; at which share of them the deed was done.

    `make test-heavy` does not leave out a single step.
    """
    done, lasts = 0, 0

    def doing(scene: Scene, victim: Reconciler) -> None:
        nonlocal done
        done += 1
        deed(scene, victim)

    async def undisturbed(scene: Scene) -> None:
        nonlocal lasts
        lasts = await a_life(scene)

    async def disturbed(scene: Scene, moment: int) -> None:
        await a_life(scene, moment, doing)

    Scene().play(undisturbed)
    if settings.get_current_profile_name() == "heavy":
        count = lasts
    for number in range(count):
        Scene().play(partial(disturbed, moment=1 + number * (lasts - 1) // (count - 1)))
    print(f"at {done} moments, every {lasts / count:.1f} steps of {lasts}")
    return done / count


def kill(scene: Scene, victim: Reconciler) -> None:
    """SIGKILL; it is started again."""
    scene.kill(victim)
    scene.loop.call_later(5.0, victim.start)


def stop(scene: Scene, victim: Reconciler) -> None:
    """SIGSTOP for longer than its lease, and SIGCONT: it believes that no time has passed."""
    scene.loop.freeze(victim.process)
    scene.loop.call_later(1.5 * TTL, scene.loop.thaw, victim.process)


def test_fault_10_a_leader_may_be_killed_between_any_two_steps() -> None:
    """The next leader converges: the job is served, once, and ended; nothing is left of it."""
    assert sweep(KILLS, kill) >= 0.9


def test_fault_11_a_leader_may_be_stopped_for_longer_than_its_lease_at_any_moment() -> None:
    """When it goes on, etcd and the gateways refuse it, and it steps down."""
    assert sweep(STOPS, stop) >= 0.9


@simulated
async def test_fault_11a_a_leader_that_was_stopped_stands_down_once_it_goes_on(scene: Scene) -> None:
    """The other one leads meanwhile, and stays in office."""
    await scene.served()
    old, fences = scene.head, {name: each.greatest_fence for name, each in scene.gateways.items()}
    scene.loop.freeze(old.process)
    await scene.until(lambda: scene.leader not in {None, old}, "another one leads", 2 * TTL)
    new = scene.head
    await scene.until(
        lambda: all(each.greatest_fence > fences[name] for name, each in scene.gateways.items()),
        "the gateways know the new leader",
    )
    scene.loop.thaw(old.process)
    await scene.until(lambda: f"{old.process}: leader-stood-down" in "\n".join(scene.trace), "it stands down", 1.0)
    await scene.never(lambda: scene.leader is not new, "the office changes once more", 3 * TTL)


def test_fault_33_a_leader_that_is_told_to_end_does_so_at_any_moment() -> None:
    """SIGTERM: its tasks end as they are told, the lease is released, and the job goes on under the next leader."""
    vacant: list[float] = []

    async def told(scene: Scene, victim: Reconciler) -> None:
        began = scene.loop.time()
        assert await scene.terminate(victim), "it ended in another way"
        await scene.until(lambda: scene.leader not in {None, victim}, "another one leads", TTL)
        vacant.append(scene.loop.time() - began)
        victim.start()

    def terminate(scene: Scene, victim: Reconciler) -> None:
        scene.loop.spawn(WORLD, told(scene, victim))

    sweep(TERMS, terminate)
    assert len(vacant) >= 0.9 * TERMS
    assert max(vacant) < 0.2 * TTL, f"the office was vacant for up to {max(vacant):.2f} s"


@simulated
async def test_fault_33a_a_leader_that_is_told_to_end_while_sbatch_runs_abandons_it_safely(scene: Scene) -> None:
    """The submission goes on without it; the next leader finds out what became of it."""
    running = scene.loop.create_future()

    async def slow(sbatch: Program, args: Sequence[str], streams: Streams) -> int:
        running.set_result(None)
        await asyncio.sleep(8.0)
        return await sbatch(args, streams)

    scene.once("sbatch", slow)
    person = await scene.wanted()
    await running
    victim = scene.head
    assert await scene.terminate(victim)
    assert await scene.until(lambda: scene.leader not in {None, victim}, "another one leads") < 0.2 * TTL
    victim.start()
    await scene.reaches(person, Phase.READY, IN_TIME)
    assert [attempt for attempt, _ in scene.taken(person)] == [1]


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
@pytest.mark.parametrize("name", ["r1", "r2", "k1", "k2", "a1"])
@simulated
async def test_fault_28_a_wall_clock_that_jumps_an_hour_ends_nothing(scene: Scene, name: str, jump: float) -> None:
    """Deadlines are monotonic: no job, no port, no office expires; new jobs are served as ever."""
    people = [await scene.served(user) for user in ("alice", "bob")]
    service = next(each for each in scene.services if each.name == name)
    leader, grants = scene.leader, [scene.grants(person) for person in people]
    service.skew, scene.time_was_wrong = jump, True
    await scene.never(
        lambda: {scene.phase(person) for person in people} != {Phase.READY} or scene.leader is not leader,
        "something has expired",
        30.0,
    )
    assert [scene.grants(person) for person in people] == grants
    assert all(grant.phase is GrantPhase.OPEN for each in grants for grant in each)
    await scene.served("carol")
    service.skew = 0.0
