"""Faults of gateways, at their full length: rules are what the books say, foreign ones stay, stale ones go first."""

import asyncio
from collections.abc import Mapping

import pytest

from bwvisu.domain.lifecycle import Phase
from keyhole.domain import LIVE, GrantPhase
from keyhole.nat.model import Target
from tests.simulation.people import Person
from tests.simulation.scenario import Scene, simulated
from tests.simulation.service import FIRST_PORT, LAST_PORT, QUARANTINE

SYNC = 10.0
"""Seconds within which a gateway that answers is as it should be."""
AWAY = 300.0
VIEWER = "203.0.113.9"
PER_GATEWAY = LAST_PORT - FIRST_PORT + 1


async def spread(scene: Scene, count: int) -> list[Person]:
    """So many are served, spread over both gateways and all nodes."""
    for node in scene.slurm.nodes.values():
        node.slots = 2
    return [await scene.served() for _ in range(count)]


def rules(scene: Scene) -> Mapping[str, Mapping[int, Target]]:
    """Of every gateway, as it is now."""
    return {name: dict(each.rules()) for name, each in scene.gateways.items()}


def wanted(scene: Scene, gateway: str) -> dict[int, Target]:
    """What the books want a gateway to hold."""
    return {
        each.external_port: Target(each.internal_address, each.internal_port)
        for record in scene.invariants.forwards.values()
        for grant in record.grants
        if grant.gateway == gateway and grant.phase in LIVE
        for each in grant.forwards
    }


def shown(scene: Scene, gateway: str) -> str:
    """What administrators are told of a gateway; empty: all is well."""
    return next((each.detail for each in scene.cluster.gateways if each.name == gateway), "")


@simulated
async def test_fault_19_a_gateway_that_has_rebooted_gets_all_its_rules_in_one_transaction(scene: Scene) -> None:
    """As soon as it answers: all of them at once, never a part."""
    await spread(scene, 4)
    before = rules(scene)
    seen: dict[str, list[Mapping[int, Target]]] = {name: [] for name in scene.gateways}

    def note() -> None:
        for name, now in rules(scene).items():
            if now != (seen[name] or [before[name]])[-1]:
                seen[name].append(now)

    scene.on_step = note
    for gateway in scene.gateways.values():
        gateway.power(False)
    await asyncio.sleep(20.0)
    for gateway in scene.gateways.values():
        gateway.reboot()
        gateway.power(True)
    await scene.until(lambda: rules(scene) == before, "their rules are there", 3 * SYNC)
    assert seen == {name: [{}, before[name]] for name in scene.gateways}


@simulated
async def test_fault_20_a_gateway_that_is_away_for_long_gets_nothing_new_and_loses_what_is_stale_first(
    scene: Scene,
) -> None:
    """New forwards go elsewhere; on its return stale rules go first.  (`test_faults_moves`: the old ones.)"""
    people = await spread(scene, 2)
    (gone, stale), (other, _) = scene.forward(people[0]), scene.forward(people[1])
    assert gone != other
    gateway = scene.gateways[gone]
    gateway.power(False)
    await scene.until(lambda: shown(scene, gone), "it is shown as away")
    await people[0].delete()
    await scene.reaches(people[0], Phase.FINISHED)
    new = [await scene.served("bob") for _ in range(PER_GATEWAY - 1)]
    assert {scene.forward(person)[0] for person in new} == {other}
    place = Target(stale.internal_address, stale.internal_port)
    await scene.never(lambda: place in places(scene), "its host's port has a new tenant", AWAY)
    assert scene.leads(gone, stale.external_port) == place
    late = await scene.wanted("carol")
    await scene.never(lambda: scene.phase(late) is Phase.READY, "there was a port elsewhere", 20.0)
    first: list[Mapping[int, Target]] = []
    loads = len(gateway.loads)

    def note() -> None:
        if not first and len(gateway.loads) > loads:
            first.append(dict(gateway.rules()))

    scene.on_step = note
    gateway.power(True)
    await scene.reaches(late, Phase.READY)
    assert first == [{}], "the first load takes the stale rule away, and nothing else"


def places(scene: Scene) -> set[Target]:
    """Where applications listen that were begun since the first one was ended."""
    return set(scene.listeners)


@pytest.mark.parametrize("seed", range(2))
def test_fault_21_rules_that_somebody_flushes_are_repaired(seed: int) -> None:
    """Whatever the packet filter, again and again; connections that live are not cut for it."""

    async def story(scene: Scene) -> None:
        people = await spread(scene, 2)
        before = rules(scene)
        for person in people:
            name, forward = scene.forward(person)
            scene.gateways[name].connect(VIEWER, forward.external_port)
        for _ in range(5):
            for gateway in scene.gateways.values():
                gateway.flush()
            await scene.until(lambda: rules(scene) == before, "they are repaired", SYNC)
        assert sum(len(gateway.flows) for gateway in scene.gateways.values()) == len(people)

    Scene(seed).play(story)


@simulated
async def test_fault_21a_a_foreign_rule_on_a_port_of_ours_is_told_and_left_alone(scene: Scene) -> None:
    """The conflict is reported, the port is given to nobody, and the rule stays, after a flush too."""
    rule = f"-A PREROUTING -p tcp -m tcp --dport {FIRST_PORT} -j DNAT --to-destination 10.7.7.7:80"
    for gateway in scene.gateways.values():
        gateway.foreign(rule)
    await scene.until(
        lambda: all(str(FIRST_PORT) in shown(scene, name) for name in scene.gateways), "conflicts are told", 3 * SYNC
    )
    people = await spread(scene, 2 * (PER_GATEWAY - 1))
    assert FIRST_PORT not in {scene.forward(person)[1].external_port for person in people}
    for gateway in scene.gateways.values():
        gateway.flush()
    late = await scene.wanted("bob")
    await scene.until(lambda: scene.reason(late) == "port-pool-exhausted", "the port is given to nobody")
    assert all(gateway.foreign_intact() for gateway in scene.gateways.values())


def with_nft(scene: Scene) -> None:
    """Both gateways have it."""
    for gateway in scene.gateways.values():
        gateway.backend = "nftables"


@simulated
async def test_fault_21b_rules_that_nft_cannot_list_any_more_are_not_gone(scene: Scene) -> None:
    """The port stays the ended job's until nft is seen to hold it no more; it is given to nobody."""
    with_nft(scene)
    person = await scene.served()
    name, forward = scene.forward(person)
    scene.odds.always.add("gateway.nft-fails")
    await person.delete()
    await scene.reaches(person, Phase.FINISHED)
    for _ in range(PER_GATEWAY):
        await scene.wanted("bob")
    place = Target(forward.internal_address, forward.internal_port)
    await scene.never(lambda: scene.leads(name, forward.external_port) != place, "it was removed", 120.0)
    assert [each.phase for each in scene.grants(person)] == [GrantPhase.CLOSING]
    assert "nftables may hold rules of ours" in shown(scene, name)
    scene.odds.clear()
    await scene.until(lambda: scene.leads(name, forward.external_port) != place, "the rule is gone", 3 * SYNC)


@simulated
async def test_fault_21c_foreign_rules_that_cannot_be_listed_any_more_are_not_gone(scene: Scene) -> None:
    """Nothing new is given on such a gateway; what it has is served on."""
    with_nft(scene)
    rule = f"-A PREROUTING -p tcp -m tcp --dport {FIRST_PORT} -j DNAT --to-destination 10.7.7.7:80"
    for gateway in scene.gateways.values():
        gateway.foreign(rule)
    person = await scene.served()
    name, forward = scene.forward(person)
    scene.odds.always.add("gateway.iptables-save-fails")
    await scene.until(lambda: all("iptables-save" in shown(scene, each) for each in scene.gateways), "they say so")
    late = await scene.wanted("bob")
    await scene.never(lambda: scene.grants(late), "a port was given away", 60.0)
    assert scene.phase(person) is Phase.READY
    assert scene.leads(name, forward.external_port) is not None
    scene.odds.clear()
    await scene.reaches(late, Phase.READY)
    assert scene.forward(late)[1].external_port != FIRST_PORT


CUTS = [
    "ssh.dies-before",
    "ssh.dies-sending",
    "ssh.dies-after",
    "ssh.half-answer",
    "gateway.dies-before-load",
    "gateway.dies-after-load",
]


@pytest.mark.parametrize(("seed", "cut"), list(enumerate(CUTS)))
def test_fault_22_a_table_load_that_is_cut_leaves_old_or_new_rules(seed: int, cut: str) -> None:
    """Never half of them: what is seen at any step is what the books have wanted at some time, or nothing."""

    async def story(scene: Scene) -> None:
        people = await spread(scene, 4)
        may_be = {name: [{}, rules(scene)[name]] for name in scene.gateways}

        def look() -> None:
            for name, now in rules(scene).items():
                want = wanted(scene, name)
                if want != may_be[name][-1]:
                    may_be[name].append(want)
                assert now in may_be[name], f"{name} holds {now}"

        scene.on_step = look
        scene.odds.always.add(cut)
        await asyncio.gather(*(person.delete() for person in people))
        for gateway in scene.gateways.values():
            gateway.flush()
        await asyncio.sleep(30.0)
        scene.odds.clear()
        await scene.until(lambda: not any(rules(scene).values()), "all rules are gone")
        assert scene.weather.struck[cut] >= 1

    Scene(seed).play(story)


@simulated
async def test_fault_20a_a_port_that_an_unreachable_gateway_may_still_lead_to_has_no_next_tenant(scene: Scene) -> None:
    """However long: nobody listens where its rule leads until it is known to be gone, and has rested."""
    person = await scene.served()
    name, forward = scene.forward(person)
    scene.gateways[name].power(False)
    await person.delete()
    await scene.reaches(person, Phase.FINISHED)
    followers = [await scene.wanted("bob") for _ in range(PER_GATEWAY)]
    place = Target(forward.internal_address, forward.internal_port)
    await scene.never(lambda: place in scene.listeners, "it has a next tenant", 200.0)
    scene.gateways[name].power(True)
    await scene.until(lambda: scene.leads(name, forward.external_port) != place, "the stale rule is gone", 3 * SYNC)
    assert await scene.until(lambda: place in scene.listeners, "it is used again", 90.0) >= QUARANTINE - 1.0
    assert len(followers) == PER_GATEWAY
