"""Two clusters behind one service: one of them dead in every part, the other serving as if nothing had happened."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bwvisu.domain.lifecycle import Outcome, Phase
from bwvisu.settings import Settings
from tests.simulation.command_node import SimCommandNode
from tests.simulation.host import Host
from tests.simulation.people import Person
from tests.simulation.scenario import Scene, counted
from tests.simulation.service import CLUSTER, SETTINGS
from tests.simulation.slurm import Pace
from tests.simulation.world import OTHER_NODES

NORTH = "north"
SERVED, ENDED = 14.0, 8.0
"""Seconds that a job may take from POST to available, and from DELETE to finished, where nothing is wrong: Slurm starts
it within 4 s, it listens within 5 s, ends within 2 s, and is looked at every 5 s."""
LIVES = 5
GOODBYE = 5.0
"""Seconds from SIGTERM to the next leader."""
OUTAGE = 300.0


def settings() -> Settings:
    """A second cluster beside the first."""
    first = SETTINGS.clusters[CLUSTER].model_dump()
    nodes = [{"host": host, "user": "bwvisu"} for host in ("c3", "c4")]
    gateways = [
        {**gateway, "name": name, "host": name, "external_ip": address}
        for gateway, name, address in zip(first["gateways"], ("gw3", "gw4"), ("192.0.2.3", "192.0.2.4"), strict=True)
    ]
    first["forwards"]["port_range"] = (50000, 50099)
    north = {**first, "command_nodes": nodes, "gateways": gateways}
    return Settings.model_validate({**SETTINGS.model_dump(), "clusters": {CLUSTER: first, NORTH: north}})


class TwoClusters(Scene):
    """A `Scene` with a second cluster, ``north``."""

    def __init__(self) -> None:
        super().__init__()
        slurm = self._make_slurm(Pace(), OTHER_NODES)
        slurm.next_id = 1001
        gateways = {name: self._make_gateway(name) for name in ("gw3", "gw4")}
        nodes = {name: SimCommandNode(name, slurm) for name in ("c3", "c4")}
        self.gateways |= gateways
        self.north: list[Host] = [*nodes.values(), *gateways.values()]
        self.hosts |= {**nodes, **gateways}
        self._watch_over()
        for service in self.services:
            service.settings = settings()

    def north_dies(self, *, hangs: bool) -> None:
        """Nothing of it answers: its hosts are away, or take connections and then do nothing."""
        for host in self.north:
            host.up, host.hanging = hangs, hangs

    def north_lives(self) -> None:
        """All of it is back."""
        for host in self.north:
            host.up, host.hanging = True, False

    async def lives(self, count: int = LIVES) -> None:
        """Jobs of the first cluster, one after the other: each is served, and ended, at the usual pace."""
        for _ in range(count):
            began = self.loop.time()
            person = await self.served()
            assert self.loop.time() - began <= SERVED
            await person.delete()
            assert await self.reaches(person, Phase.FINISHED) <= ENDED
            assert self.status(person).outcome is Outcome.CANCELLED


def simulated(story: Callable[..., Coroutine[Any, Any, None]]) -> Callable[[bool], None]:
    """A test that tells ``story(scene, hangs)``: how the cluster died."""

    def test(hangs: bool) -> None:
        TwoClusters().play(lambda scene: story(scene, hangs=hangs))

    test.__doc__ = story.__doc__
    marked: Callable[[bool], None] = pytest.mark.parametrize("hangs", [False, True], ids=["away", "hanging"])(test)
    return marked


@simulated
async def test_jobs_live_at_their_usual_pace_beside_a_dead_cluster(scene: TwoClusters, *, hangs: bool) -> None:
    """Also while the dead one has jobs that wait for it, and people ask for more."""
    await scene.lives()
    scene.north_dies(hangs=hangs)
    await scene.until(lambda: not any(each.reachable for each in scene.shown(NORTH).command_nodes), "it is shown dead")
    waiting = [await scene.wanted(user, NORTH) for user in ("alice", "bob", "carol") for _ in range(3)]
    looks = counted(scene, "squeue")
    began = scene.loop.time()
    await scene.lives()
    assert len(looks) >= (scene.loop.time() - began) / 6, "the first cluster is looked at as often as ever"
    shown = scene.shown(CLUSTER)
    assert not shown.detail
    assert all(each.reachable for each in (*shown.command_nodes, *shown.gateways))
    assert {scene.phase(person) for person in waiting} == {Phase.NEW}
    await asyncio.gather(*(person.delete() for person in waiting))
    for person in waiting:
        await scene.reaches(person, Phase.FINISHED)
        assert (scene.status(person).outcome, scene.taken(person)) == (Outcome.CANCELLED, [])


@simulated
async def test_a_cluster_that_dies_for_minutes_finds_its_jobs_again(scene: TwoClusters, *, hangs: bool) -> None:
    """Could not look is never gone: not one of its jobs changes, and the one that waited is served."""
    stays = await scene.served("alice", NORTH)
    before, rules = scene.lasting(stays), dict(scene.gateways[scene.forward(stays)[0]].rules())
    await scene.lives()
    scene.north_dies(hangs=hangs)
    waits = await scene.wanted("bob", NORTH)
    died = scene.loop.time()
    while scene.loop.time() - died < OUTAGE:
        await scene.lives(1)
    assert scene.taken(waits) == []
    assert len(scene.taken(stays)) == 1
    assert scene.lasting(stays).slurm == before.slurm
    scene.north_lives()
    await scene.reaches(waits, Phase.READY, 90.0)
    await scene.reaches(stays, Phase.READY)
    assert scene.lasting(stays).services == before.services
    assert rules.items() <= scene.gateways[scene.forward(stays)[0]].rules().items()


@simulated
async def test_a_leader_leaves_and_the_next_begins_beside_a_dead_cluster(scene: TwoClusters, *, hangs: bool) -> None:
    """No term waits, at its beginning or its end, for hosts that do not answer."""
    scene.north_dies(hangs=hangs)
    await scene.lives(1)
    first, told = scene.head, scene.loop.time()
    assert await scene.terminate(first)
    await scene.until(lambda: scene.leader not in {None, first}, "the other leads")
    assert scene.loop.time() - told < GOODBYE
    await scene.lives()
    second = scene.head
    first.start()
    scene.kill(second)
    await scene.until(lambda: scene.leader is first, "the first leads again")
    await scene.lives()
    second.start()


@simulated
async def test_what_is_asked_of_a_dead_cluster_makes_nobody_else_wait(scene: TwoClusters, *, hangs: bool) -> None:
    """A hundred people whose accounts only the dead cluster knows, all at once."""
    await scene.lives()
    scene.north_dies(hangs=hangs)
    crowd: list[Person] = [scene.person("alice", NORTH) for _ in range(100)]
    posting = asyncio.gather(*(person.post() for person in crowd))
    await scene.lives()
    await posting
    await asyncio.gather(*(person.delete() for person in crowd))
