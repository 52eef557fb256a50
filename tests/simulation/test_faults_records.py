"""Records that cannot be read: damaged, or written by a newer version.  Nothing of theirs is touched."""

import asyncio
import json

import pytest

from bwvisu.adapters.etcd import Put
from bwvisu.domain.lifecycle import Phase
from keyhole.domain import LIVE, Forward
from tests.simulation.people import Person
from tests.simulation.scenario import Scene, simulated
from tests.simulation.service import KEYS

VIEWER = "203.0.113.9"
LONG = 60.0
"""Seconds: many passes of every loop, and a relist."""


def written(scene: Scene, key: str, value: bytes) -> bytes:
    """Somebody else, whom nobody watches, writes a record; what it was before."""
    before: bytes = scene.etcd.entries[key].value
    hook, scene.etcd.on_commit = scene.etcd.on_commit, lambda *_: None
    scene.etcd.commit("somebody", [], [Put(key, value)])
    scene.etcd.on_commit = hook
    return before


def damaged(value: bytes, how: str) -> bytes:
    """The same record as it cannot be read."""
    if how == "garbage":
        return b"\xff{"
    record = json.loads(value)
    for grant in record["grants"]:
        grant["phase"] = "moving"
    return json.dumps(record).encode()


def places(scene: Scene, people: list[Person]) -> set[tuple[str, int]]:
    """Ports of gateways and of hosts that they have."""
    grants = [grant for each in people for grant in scene.grants(each) if grant.phase in LIVE]
    outside = {(grant.gateway, each.external_port) for grant in grants for each in grant.forwards}
    return outside | {(each.internal_address, each.internal_port) for grant in grants for each in grant.forwards}


async def undisturbed(scene: Scene, gateway: str, forward: Forward) -> None:
    """The rule stays, and others who come get other ports."""
    flows = len(scene.gateways[gateway].flows)
    kept = scene.never(lambda: scene.leads(gateway, forward.external_port) is None, "its rule is gone", LONG)
    people = [await scene.wanted("bob") for _ in range(4)]
    await asyncio.gather(kept, *(scene.reaches(each, Phase.READY) for each in people))
    ours = {(gateway, forward.external_port), (forward.internal_address, forward.internal_port)}
    assert not ours & places(scene, people)
    assert len(scene.gateways[gateway].flows) == flows == 1


@pytest.mark.parametrize("leader", ["the same", "a fresh one"])
@pytest.mark.parametrize("how", ["a newer version's phase", "garbage"])
@simulated
async def test_a_forwards_record_that_cannot_be_read_costs_a_job_nothing(scene: Scene, leader: str, how: str) -> None:
    """Its rule and its viewer stay, its ports are given to nobody; once it is mended, all goes on."""
    for node in scene.slurm.nodes.values():
        node.slots = 3
    person = await scene.served()
    gateway, forward = scene.forward(person)
    scene.gateways[gateway].connect(VIEWER, forward.external_port)
    key = KEYS.forwards(person.job_id or "")
    whole = written(scene, key, damaged(scene.etcd.entries[key].value, how))
    if leader == "a fresh one":
        head = scene.head
        scene.kill(head)
        await scene.until(lambda: scene.leader not in {None, head}, "another leads")
    await undisturbed(scene, gateway, forward)
    assert scene.phase(person) is Phase.READY
    written(scene, key, whole)
    await person.delete()
    await scene.until(lambda: scene.leads(gateway, forward.external_port) is None, "its rule is gone")
    await scene.reaches(person, Phase.FINISHED)


@pytest.mark.parametrize("kind", ["specs", "status", "requests"])
@simulated
async def test_no_other_record_that_cannot_be_read_costs_a_job_anything(scene: Scene, kind: str) -> None:
    for node in scene.slurm.nodes.values():
        node.slots = 3
    person = await scene.served()
    gateway, forward = scene.forward(person)
    scene.gateways[gateway].connect(VIEWER, forward.external_port)
    key = next(key for key in scene.etcd.entries if KEYS.kind_of(key) == kind and KEYS.job_of(key) == person.job_id)
    whole = written(scene, key, b"\xff{")
    await undisturbed(scene, gateway, forward)
    written(scene, key, whole)
