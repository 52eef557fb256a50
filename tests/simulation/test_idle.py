"""Jobs that nobody uses, in a world where leaders die, gateways are away and nobody counts."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from bwvisu.domain.lifecycle import Outcome, Phase
from tests.simulation.gateway import SimGateway
from tests.simulation.gateway_filter import Flow
from tests.simulation.people import Person
from tests.simulation.scenario import Scene, simulated

MINUTES = 10
AFTER = MINUTES * 60.0
WARNING = 300.0
LATE = 60.0
VIEWER = "203.0.113.9"


async def watched(scene: Scene, user: str = "alice") -> Person:
    """Somebody whose available job is stopped when nobody uses it for ten minutes."""
    person = scene.person(user)
    person.idle_stop_minutes = MINUTES
    await person.post()
    await scene.reaches(person, Phase.READY)
    return person


def connected(scene: Scene, person: Person) -> tuple[SimGateway, Flow]:
    """An open viewer."""
    name, forward = scene.forward(person)
    gateway = scene.gateways[name]
    assert gateway.connect(VIEWER, forward.external_port) is not None
    return gateway, gateway.flows[-1]


def warned(scene: Scene, person: Person) -> Callable[[], bool]:
    """Its owner is told that it is stopped soon."""

    def told() -> bool:
        idle = scene.status(person).idle
        return idle is not None and idle.warned_at is not None

    return told


async def stopped(scene: Scene, person: Person, seconds: float) -> float:
    """Wait until it was stopped for this; how long that took."""
    took = await scene.reaches(person, Phase.FINISHED, seconds)
    assert (scene.status(person).outcome, scene.reason(person)) == (Outcome.CANCELLED, "idle")
    return took


@simulated
async def test_an_idle_job_is_warned_and_stopped_and_one_whose_viewer_is_open_lives(scene: Scene) -> None:
    idle, used, vanished = await watched(scene), await watched(scene, "bob"), await watched(scene, "carol")
    gateway, flow = connected(scene, used)
    other, lost = connected(scene, vanished)

    async def look_on() -> None:
        while scene.phase(used) is Phase.READY:
            gateway.carry(flow, 52, 9000)  # acknowledges what it is sent
            other.carry(lost, 0, 9000)  # the job sends again and again
            await asyncio.sleep(45.0)

    viewer = scene.loop.create_task(look_on())
    before = await scene.until(warned(scene, idle), "its owner is warned", AFTER)
    assert before >= AFTER - WARNING - LATE
    await stopped(scene, idle, WARNING + LATE)
    await stopped(scene, vanished, LATE)
    assert (scene.phase(used), scene.status(used).idle) == (Phase.READY, None)
    assert scene.status(used).services[0].connections == 1
    viewer.cancel()
    await stopped(scene, used, AFTER + 2 * LATE)


@simulated
async def test_keeping_it_and_using_it_begin_the_time_anew(scene: Scene) -> None:
    person = await watched(scene)
    await scene.until(warned(scene, person), "its owner is warned", AFTER)
    assert await person.keep()
    await scene.until(lambda: not warned(scene, person)(), "the warning is taken back", LATE)
    await scene.until(warned(scene, person), "it is warned again", AFTER)
    gateway, flow = connected(scene, person)
    gateway.carry(flow, 400, 400)
    await scene.until(lambda: not warned(scene, person)(), "the warning is taken back", LATE)
    assert await stopped(scene, person, AFTER + 2 * LATE) >= AFTER - LATE
    assert not await person.keep()


@simulated
async def test_a_new_leader_never_stops_it_earlier(scene: Scene) -> None:
    """It has been used while nobody led, and nobody can know that any more."""
    person = await watched(scene)
    await scene.until(warned(scene, person), "its owner is warned", AFTER)
    await asyncio.sleep(WARNING - LATE)
    scene.kill(scene.head)
    gateway, flow = connected(scene, person)
    gateway.carry(flow, 4000, 4000)
    gateway.disconnect(lambda each: each == flow)
    await scene.until(lambda: scene.leader is not None and scene.leader.alive, "somebody leads", 60.0)
    assert await stopped(scene, person, AFTER + 3 * LATE) >= AFTER - LATE


@simulated
async def test_while_no_gateway_can_be_asked_nobody_is_stopped(scene: Scene) -> None:
    """Neither its own, nor one that it could move to."""
    person = await watched(scene)
    await asyncio.sleep(AFTER - WARNING - LATE)
    for gateway in scene.gateways.values():
        gateway.power(False)
    await scene.never(lambda: scene.phase(person) is Phase.FINISHED, "it is stopped", 2 * AFTER)
    for gateway in scene.gateways.values():
        gateway.power(True)
    assert await stopped(scene, person, AFTER + 2 * LATE) >= AFTER - LATE


@simulated
async def test_a_gateway_that_it_moves_to_counts_from_its_own_first_look(scene: Scene) -> None:
    person = await watched(scene)
    name, _ = scene.forward(person)
    await asyncio.sleep(AFTER - WARNING - LATE)
    scene.gateways[name].power(False)
    await scene.until(lambda: scene.grants(person) and scene.forward(person)[0] != name, "it moves", AFTER)
    scene.gateways[name].power(True)
    assert await stopped(scene, person, AFTER + 2 * LATE) >= AFTER - LATE


@simulated
async def test_who_comes_through_a_gateway_that_is_only_cut_off_is_not_stopped(scene: Scene) -> None:
    """The job has moved, and its old gateway goes on translating unseen, until it is there again."""
    person = await watched(scene)
    gateway, flow = connected(scene, person)
    name, _ = scene.forward(person)

    async def use() -> None:
        while flow in gateway.flows:
            gateway.carry(flow, 4000, 90000)
            await asyncio.sleep(5.0)

    using = scene.loop.create_task(use())
    gateway.power(False)
    await scene.until(lambda: scene.forward(person)[0] != name, "it moves", AFTER)
    await scene.never(lambda: scene.phase(person) is Phase.FINISHED, "it is stopped", 2 * AFTER)
    idle = scene.status(person).idle
    assert idle is not None
    assert not idle.known, "it says that it cannot be told"
    gateway.power(True)
    assert await stopped(scene, person, AFTER + 2 * LATE) >= AFTER - LATE
    await using


@simulated
async def test_while_nobody_counts_nobody_is_stopped_and_the_job_says_so(scene: Scene) -> None:
    for gateway in scene.gateways.values():
        gateway.counting = False
    person = await watched(scene)

    def unknown() -> bool:
        idle = scene.status(person).idle
        return idle is not None and not idle.known

    await scene.until(unknown, "it is said", LATE)
    await scene.never(lambda: scene.phase(person) is not Phase.READY, "it is stopped", 2 * AFTER)
    assert all("nf_conntrack_acct" in gateway.detail for gateway in scene.cluster.gateways)
    for gateway in scene.gateways.values():
        gateway.counting = True
    await stopped(scene, person, AFTER + 2 * LATE)


@simulated
async def test_a_clock_that_jumps_stops_nobody(scene: Scene) -> None:
    people = [await watched(scene, user) for user in ("alice", "bob")]
    for reconciler in scene.reconcilers:
        reconciler.skew = 7200.0
    await scene.never(
        lambda: any(scene.phase(person) is not Phase.READY for person in people), "one is stopped", AFTER - LATE
    )


@simulated
async def test_who_is_told_that_it_is_kept_keeps_it(scene: Scene) -> None:
    """Asked for at the very moment at which the leader decides: one of them wins, and both know which."""
    person = await watched(scene)
    await scene.until(warned(scene, person), "its owner is warned", AFTER)
    answers: list[bool] = []

    async def ask() -> None:
        while scene.phase(person) is Phase.READY and not answers:
            await asyncio.sleep(WARNING - 0.5 if not answers else 1.0)
            answers.append(await person.keep())

    await ask()
    idle = scene.status(person).idle
    assert answers[0] == (idle is None or idle.stopped_at is None)


@simulated
async def test_where_connections_cannot_be_listed_nobody_is_stopped_and_it_is_said(scene: Scene) -> None:
    scene.odds.always.add("gateway.conntrack-fails")
    person = await watched(scene)

    def unknown() -> bool:
        idle = scene.status(person).idle
        return idle is not None and not idle.known

    await scene.until(unknown, "it is said", 2 * LATE)
    await scene.never(lambda: scene.phase(person) is not Phase.READY, "it is stopped", 2 * AFTER)
    assert all("conntrack does not work" in gateway.detail for gateway in scene.cluster.gateways)
    scene.odds.clear()
    await stopped(scene, person, AFTER + 2 * LATE)


@simulated
async def test_when_it_was_last_used_outlives_a_move_and_old_connections_do_not(scene: Scene) -> None:
    person = await watched(scene)
    gateway, flow = connected(scene, person)
    name, _ = scene.forward(person)
    gateway.carry(flow, 4000, 90000)

    def last() -> datetime | None:
        return scene.status(person).services[0].last_active_at

    def shown() -> int | None:
        return next(each.connections for each in scene.cluster.gateways if each.name == name)

    await scene.until(lambda: last() is not None and shown() == 1, "it is written down", 2 * LATE)
    before = last()
    gateway.power(False)
    await scene.until(lambda: scene.status(person).services[0].gateway != name, "it moves", AFTER)
    await scene.never(lambda: last() != before, "it is forgotten", LATE)
    await scene.until(lambda: shown() is None, "its connections are not known any more", 2 * LATE)
    gateway.power(True)
