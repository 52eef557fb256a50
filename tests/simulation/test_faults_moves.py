"""Fault 20: a gateway that is away for long loses its forwards to others; the jobs behind it notice nothing."""

import asyncio
from collections.abc import Mapping

import pytest

from bwvisu.adapters.etcd import Delete, Put
from bwvisu.adapters.records import encode
from bwvisu.domain.cluster import Drain
from bwvisu.domain.lifecycle import Phase
from keyhole.domain import GrantPhase
from keyhole.nat.model import Target
from tests.simulation.people import Person
from tests.simulation.scenario import Scene, simulated
from tests.simulation.service import CLUSTER, FIRST_PORT, KEYS, LAST_PORT, wall
from tests.simulation.test_faults_gateways import rules, spread

MOVED = 30.0
"""Seconds within which a page is there again, counted from the gateway's last sign of life."""
PATIENCE = 15.0
"""The setting `move_after`."""
SETTLED = 120.0
PER_GATEWAY = LAST_PORT - FIRST_PORT + 1
VIEWER = "203.0.113.9"


def other(scene: Scene, gateway: str) -> str:
    """The other one."""
    (name,) = set(scene.gateways) - {gateway}
    return name


def at(scene: Scene, person: Person, gateway: str) -> bool:
    """Whether a job is available, and is shown and led to by this gateway."""
    status = scene.status(person)
    shown = {(each.gateway, each.external_port) for each in status.services}
    if status.phase is not Phase.READY or {name for name, _ in shown} != {gateway}:
        return False
    _, forward = scene.forward(person)
    place = Target(forward.internal_address, forward.internal_port)
    return all(scene.leads(gateway, port) == place for _, port in shown) and place in scene.listeners


def order(scene: Scene, gateway: str, move: bool | None) -> None:
    """What the API stores for an administrator; None: put to use again."""
    key = KEYS.gateway(CLUSTER, gateway)
    drain = Drain(by="admin", at=wall(scene.loop.time()), move=bool(move))
    scene.etcd.commit("a1", [], [Delete(key) if move is None else Put(key, encode(drain))])


@pytest.mark.parametrize("seed", range(4))
def test_fault_20_a_lost_gateways_forwards_move_within_half_a_minute_and_stay_there(seed: int) -> None:
    """The jobs go on, the same ones in Slurm; what the lost one still holds goes before anything else."""

    async def story(scene: Scene) -> None:
        people = await spread(scene, 2)
        (gone, stale), (kept, _) = scene.forward(people[0]), scene.forward(people[1])
        gateway, before = scene.gateways[gone], scene.taken(people[0])
        gateway.connect(VIEWER, stale.external_port)
        gateway.power(False)
        await scene.until(lambda: at(scene, people[0], kept), "the page is there again", MOVED)
        assert scene.taken(people[0]) == before
        assert scene.status(people[0]).moved_at is not None
        assert scene.status(people[1]).moved_at is None
        assert scene.leads(gone, stale.external_port) is not None, "only its management is away"
        firsts: list[Mapping[int, Target]] = []
        loads = len(gateway.loads)

        def note() -> None:
            if not firsts and len(gateway.loads) > loads:
                firsts.append(rules(scene)[gone])

        scene.on_step = note
        gateway.power(True)
        await scene.until(lambda: firsts, "it is loaded")
        assert firsts == [{}], "the first load takes the stale rule away, and nothing else"
        await scene.until(lambda: not gateway.flows, "who came by it is cut off", 5.0)
        await scene.never(lambda: not at(scene, people[0], kept), "it moves back", SETTLED)
        (live,) = scene.grants(people[0])
        assert live.gateway == kept, "what is left there owns no port any more, although the job runs on"

    Scene(seed).play(story)


@simulated
async def test_fault_20_a_job_that_ends_does_not_wait_for_its_lost_gateway(scene: Scene) -> None:
    """Its end is shown at once; only its old port stays owned until the gateway has let go of it."""
    people = await spread(scene, 2)
    (gone, stale), (kept, _) = scene.forward(people[0]), scene.forward(people[1])
    scene.gateways[gone].power(False)
    await scene.until(lambda: at(scene, people[0], kept), "it has moved", MOVED)
    await people[0].delete()
    await scene.reaches(people[0], Phase.FINISHED, 30.0)
    await scene.never(lambda: not scene.grants(people[0]), "the old port was given up", SETTLED)
    assert {(each.gateway, each.phase) for each in scene.grants(people[0])} >= {(gone, GrantPhase.CLOSING)}
    scene.gateways[gone].power(True)
    await scene.until(lambda: scene.leads(gone, stale.external_port) is None, "the stale rule is gone")


@simulated
async def test_fault_20_a_leader_that_reaches_nobody_moves_nothing(scene: Scene) -> None:
    """Its own network was away, not the gateways: afterwards the silence counts from the beginning."""
    people = await spread(scene, 2)
    before = [scene.forward(person) for person in people]
    cuts = {frozenset((scene.head.name, name)) for name in scene.gateways}
    scene.weather.cut |= cuts
    await scene.never(lambda: [scene.forward(person) for person in people] != before, "it moved", SETTLED)
    scene.weather.cut -= cuts
    await scene.never(lambda: [scene.forward(person) for person in people] != before, "it moved", SETTLED)
    assert all(scene.phase(person) is Phase.READY for person in people)


@simulated
async def test_fault_20_all_gateways_are_away_and_one_returns(scene: Scene) -> None:
    """Until then everything stays as it is; then it takes over."""
    people = await spread(scene, 2)
    gone, kept = (scene.forward(person)[0] for person in people)
    for gateway in scene.gateways.values():
        gateway.power(False)
    await scene.never(lambda: any(scene.status(person).moved_at for person in people), "it moved", SETTLED)
    scene.gateways[kept].power(True)
    await scene.until(lambda: at(scene, people[0], kept), "it has moved", 2 * MOVED)
    scene.gateways[gone].power(True)


@simulated
async def test_fault_20_a_gateway_that_comes_and_goes_keeps_what_it_has(scene: Scene) -> None:
    """It is never silent for long enough."""
    people = await spread(scene, 2)
    before = [scene.forward(person) for person in people]
    gateway = scene.gateways[before[0][0]]
    for _ in range(10):
        gateway.power(False)
        await asyncio.sleep(PATIENCE - 5.5)
        gateway.power(True)
        await asyncio.sleep(PATIENCE)
    assert [scene.forward(person) for person in people] == before


@simulated
async def test_fault_20_a_gateway_that_refuses_rules_is_there(scene: Scene) -> None:
    """It answers: nothing moves."""
    people = await spread(scene, 2)
    before = [scene.forward(person) for person in people]
    scene.odds.always.add("gateway.locked")
    await scene.never(lambda: [scene.forward(person) for person in people] != before, "it moved", SETTLED)


@simulated
async def test_fault_20_a_new_leader_counts_from_the_beginning(scene: Scene) -> None:
    """What the last one has not reached is hearsay."""
    people = await spread(scene, 2)
    gone, kept = (scene.forward(person)[0] for person in people)
    scene.gateways[gone].power(False)
    await asyncio.sleep(PATIENCE - 5.0)
    first = scene.head
    scene.kill(first)
    await scene.until(lambda: scene.leader is not None and scene.leader is not first, "another one leads")
    await scene.never(lambda: scene.forward(people[0])[0] == kept, "it moved at once", PATIENCE)
    await scene.until(lambda: at(scene, people[0], kept), "it has moved", 2 * MOVED)
    scene.gateways[gone].power(True)


@simulated
async def test_fault_20_what_finds_no_room_stays_and_moves_when_there_is_some(scene: Scene) -> None:
    """Ports elsewhere are all in use, then one is free."""
    people = await spread(scene, 2 * PER_GATEWAY)
    gone = scene.forward(people[0])[0]
    there = [person for person in people if scene.forward(person)[0] == gone]
    others = [person for person in people if person not in there]
    scene.gateways[gone].power(False)
    await scene.never(lambda: any(scene.forward(person)[0] != gone for person in there), "it moved", SETTLED)
    assert all(scene.phase(person) is Phase.READY for person in there), "its rules go on"
    await others[0].delete()
    await scene.until(lambda: any(at(scene, person, other(scene, gone)) for person in there), "one has moved", 90.0)
    scene.gateways[gone].power(True)


@simulated
async def test_fault_20_drained_gateways_take_nothing_over(scene: Scene) -> None:
    """Not even from a lost one; once they are put to use again, they do."""
    people = await spread(scene, 2)
    gone, kept = (scene.forward(person)[0] for person in people)
    order(scene, kept, move=False)
    await asyncio.sleep(5.0)
    scene.gateways[gone].power(False)
    await scene.never(lambda: scene.forward(people[0])[0] == kept, "it moved", SETTLED)
    order(scene, kept, move=None)
    await scene.until(lambda: at(scene, people[0], kept), "it has moved", MOVED)
    scene.gateways[gone].power(True)


@simulated
async def test_fault_20_a_request_whose_gateway_dies_before_it_is_open_is_served_by_another(scene: Scene) -> None:
    """The job has asked once and is answered once, with the new address."""
    for node in scene.slurm.nodes.values():
        node.slots = 2
    person = await scene.wanted()
    await scene.until(lambda: scene.grants(person), "its ports are reserved")
    gone, _ = scene.forward(person)
    scene.gateways[gone].power(False)
    await scene.until(lambda: at(scene, person, other(scene, gone)), "it is served", 2 * MOVED)
    scene.gateways[gone].power(True)


@simulated
async def test_a_vacated_gateway_loses_all_that_it_carries_and_nothing_moves_back(scene: Scene) -> None:
    """One write closes there and opens here; connections are cut, the jobs go on."""
    people = await spread(scene, 3)
    leaving = scene.forward(people[0])[0]
    for person in people:
        gateway, forward = scene.forward(person)
        scene.gateways[gateway].connect(VIEWER, forward.external_port)
    order(scene, leaving, move=True)
    target = other(scene, leaving)
    await scene.until(lambda: all(at(scene, person, target) for person in people), "all have moved", 20.0)
    assert not rules(scene)[leaving]
    assert not scene.gateways[leaving].flows
    shown = {each.name: (each.forwards, each.drained, each.vacated) for each in scene.cluster.gateways}
    assert shown[leaving][1:] == (True, True)
    order(scene, leaving, move=None)
    await scene.never(lambda: not all(at(scene, person, target) for person in people), "it moved back", SETTLED)
