"""Faults around a job's ports: what ends late, starts again, never listens, or is asked for twice."""

import asyncio
import json
from collections.abc import Sequence
from functools import partial

import pytest

from bwvisu.domain.lifecycle import Outcome, Phase
from keyhole.domain import LIVE, Forward, Grant, GrantPhase
from keyhole.scripts import PROBE
from tests.simulation.asgi import Reply
from tests.simulation.gateway import SimGateway
from tests.simulation.host import Streams
from tests.simulation.people import Person
from tests.simulation.scenario import Scene, simulated
from tests.simulation.service import FIRST_PORT, KEYS, LAST_PORT, QUARANTINE

VIEWER = "203.0.113.9"
AT_ONCE = 8.0
"""Seconds: the next look, and one load."""
PORTS = 2 * (LAST_PORT - FIRST_PORT + 1)
PROBES_EVERY = 0.5
START_TIMEOUT = 120.0
"""Seconds, by the bundle `one-port`."""
BATCH_START = 12.0
"""A node that reboots does not tell Slurm of a job younger than about that."""


def connections(scene: Scene) -> int:
    """How many viewers are connected."""
    return sum(len(gateway.flows) for gateway in scene.gateways.values())


def owned(scene: Scene, gateway: str, forward: Forward) -> bool:
    """Whether the books still hold the gateway's port."""
    return any(
        grant.gateway == gateway and forward.external_port in {each.external_port for each in grant.forwards}
        for record in scene.invariants.forwards.values()
        for grant in record.grants
    )


@simulated
async def test_fault_09_a_job_that_completes_for_ever_loses_its_ports_at_once(scene: Scene) -> None:
    """Rules and connections go with the request to stop; the port is in quarantine until the job is gone."""
    person = await scene.served()
    gateway, forward = scene.forward(person)
    scene.gateways[gateway].connect(VIEWER, forward.external_port)
    scene.slurm.wedge(scene.slurm_job(person).job_id)
    await person.delete()
    await scene.until(lambda: scene.leads(gateway, forward.external_port) is None, "its rule is gone", AT_ONCE)
    await scene.until(lambda: not connections(scene), "its viewer is cut", AT_ONCE)
    await scene.reaches(person, Phase.ENDING)
    await scene.never(lambda: not owned(scene, gateway, forward), "its port is free", 180.0)
    assert scene.phase(person) is Phase.ENDING
    assert {grant.phase for grant in scene.grants(person)} == {GrantPhase.QUARANTINED}
    scene.slurm.unwedge()
    await scene.reaches(person, Phase.FINISHED)
    await scene.until(lambda: not owned(scene, gateway, forward), "its port is free", AT_ONCE)


async def asked(scene: Scene, person: Person, ports: int = 1) -> Reply | None:
    """The job's script asks for ports."""
    script, process = scene.script(person)
    body = {"slurm_job_id": script.slurm_job_id, "hosts": list(script.hosts), "ports": ports}
    return await scene.loop.spawn(process, script._call("forwards", body, 35.0))


@simulated
async def test_fault_16_requests_at_once_and_again_are_given_the_same_ports(scene: Scene) -> None:
    """Two requests of one job at once, or again after lost answers: the same ports; another number of them: 409."""
    scene.odds.coming["keyhole.lost"] = 2
    person = await scene.wanted()
    await scene.until(lambda: scene.scripts, "its script runs")
    replies = await asyncio.gather(*(asked(scene, person) for _ in range(4)))
    assert len({reply.body for reply in replies if reply is not None and reply.status == 200}) == 1
    await scene.reaches(person, Phase.READY, 90.0)
    _, forward = scene.forward(person)
    again, other = await asked(scene, person), await asked(scene, person, ports=2)
    assert again is not None
    assert again.content["forwards"][0]["external_port"] == forward.external_port
    assert other is not None
    assert other.status == 409
    assert len(scene.grants(person)) == 1


@simulated
async def test_fault_18_who_finds_all_ports_in_use_is_told_and_served_as_soon_as_one_is_free(scene: Scene) -> None:
    """The job shows ``port-pool-exhausted``, its script gets 503; once a port's quarantine is over, it has it."""
    for node in scene.slurm.nodes.values():
        node.slots = PORTS // 2  # each host has only so many ports itself
    people = [await scene.served() for _ in range(PORTS)]
    late = await scene.wanted("bob")
    await scene.until(lambda: scene.reason(late) == "port-pool-exhausted", "it is told")
    refused = await asked(scene, late)
    assert refused is not None
    assert refused.status == 503
    assert str(refused.content["type"]).endswith("/problems/port-pool-exhausted")
    await people[0].delete()
    gateway, forward = scene.forward(people[0])
    await scene.until(lambda: scene.leads(gateway, forward.external_port) is None, "a port has been given up", AT_ONCE)
    waited = await scene.reaches(late, Phase.READY, QUARANTINE + 30.0)
    assert waited >= QUARANTINE - 1.0
    assert (scene.forward(late)[0], scene.forward(late)[1].external_port) == (gateway, forward.external_port)


def live(scene: Scene, person: Person) -> list[Grant]:
    """The grants of a job for which gateways carry rules."""
    return [grant for grant in scene.grants(person) if grant.phase in LIVE]


@simulated
async def test_fault_23_a_job_that_is_requeued_when_its_node_dies_gets_other_forwards(scene: Scene) -> None:
    """It is seen by its restart count; the older forwards are closed first."""
    scene.slurm.site_requeues = True
    person = await scene.served()
    gateway, forward = scene.forward(person)
    scene.slurm.kill_node(forward.internal_host)
    await scene.reaches(person, Phase.RUNNING)
    assert scene.reason(person) == "not-answering"
    await scene.reaches(person, Phase.QUEUED, scene.slurm.pace.slurmd_timeout + 30.0)
    await scene.until(lambda: scene.leads(gateway, forward.external_port) is None, "its rule is gone", AT_ONCE)
    twice = scene.never(lambda: len(live(scene, person)) > 1, "two runs have forwards at once", 170.0)
    await asyncio.gather(scene.reaches(person, Phase.READY, 170.0), twice)
    (grant,) = live(scene, person)
    assert grant.restart == 1
    assert grant.hosts != (forward.internal_host,)
    scene.slurm.revive_node(forward.internal_host)


@simulated
async def test_fault_23a_a_job_whose_node_has_died_ends_with_that_reason(scene: Scene) -> None:
    """Its forwards are gone, and it says why."""
    person = await scene.served()
    gateway, forward = scene.forward(person)
    scene.slurm.kill_node(forward.internal_host)
    await scene.reaches(person, Phase.FINISHED, scene.slurm.pace.slurmd_timeout + 30.0)
    assert (scene.status(person).outcome, scene.reason(person)) == (Outcome.NODE_FAILED, "node-failed")
    await scene.until(lambda: scene.leads(gateway, forward.external_port) is None, "its rule is gone", AT_ONCE)
    scene.slurm.revive_node(forward.internal_host)


@simulated
async def test_fault_24_an_application_that_never_listens_is_not_available_and_not_ended(scene: Scene) -> None:
    """It runs, and says that it is starting, then that it takes too long; failed probes alone never end a job."""
    scene.odds.always.add("job.never-listens")
    person = await scene.wanted()
    await scene.reaches(person, Phase.RUNNING)
    early = START_TIMEOUT - 1.0
    await scene.never(lambda: scene.reason(person) == "not-listening", "it is said to be late already", early)
    assert scene.reason(person) == "starting"
    await scene.until(lambda: scene.reason(person) == "not-listening", "it is said to be late", AT_ONCE)
    await scene.until(lambda: "loading" in last_words(scene, person), "the end of its log is there", AT_ONCE)
    await scene.never(lambda: scene.phase(person) is not Phase.RUNNING, "something else is shown", 300.0)
    assert scene.reason(person) == "not-listening"


def last_words(scene: Scene, person: Person) -> str:
    """What its client has told of its log."""
    prefix = KEYS.reports(person.job_id or "")
    reports = [json.loads(entry.value) for key, entry in scene.etcd.entries.items() if key.startswith(prefix)]
    return "".join(report["log_tail"] or "" for report in reports)


@simulated
async def test_fault_24a_an_application_that_crashes_after_it_was_ready_has_failed(scene: Scene) -> None:
    """With its exit code."""
    person = await scene.served()
    scene.slurm.finish(scene.slurm_job(person).job_id, 3)
    await scene.reaches(person, Phase.FINISHED)
    assert (scene.status(person).outcome, scene.status(person).exit_code) == (Outcome.FAILED, 3)


async def closed(scene: Scene, person: Person, seconds: float) -> None:
    """The application does not listen for a while."""
    script, _ = scene.script(person)
    (port,) = script.ports
    scene.close(script, port)
    await asyncio.sleep(seconds)
    scene.listen(script, port)


@simulated
async def test_fault_24b_an_application_that_flaps_is_judged_with_patience(scene: Scene) -> None:
    """Two bad probes change nothing, three do, two good ones bring it back; it is never ended for that."""
    person = await scene.served()
    for _ in range(20):
        flaps = closed(scene, person, PROBES_EVERY)
        await asyncio.gather(flaps, scene.never(lambda: scene.phase(person) is not Phase.READY, "it is judged", 3.0))
    away = asyncio.ensure_future(closed(scene, person, 300.0))
    waited = await scene.reaches(person, Phase.RUNNING, 5.0)
    assert waited >= 2 * PROBES_EVERY
    assert scene.reason(person) == "not-answering"
    await scene.never(lambda: scene.phase(person) is not Phase.RUNNING, "it is ended", 290.0)
    await away
    assert await scene.reaches(person, Phase.READY, 5.0) >= 0.8 * PROBES_EVERY


@simulated
async def test_fault_24c_a_probe_that_could_not_be_made_is_no_failed_probe(scene: Scene) -> None:
    """For minutes nobody can probe: the job stays available."""
    person = await scene.served()
    scene.odds.always.add("gateway.probe-fails")
    await scene.never(lambda: scene.phase(person) is not Phase.READY, "it is judged", 120.0)


@simulated
async def test_fault_25_a_port_that_another_process_took_is_replaced(scene: Scene) -> None:
    """The client tells the keyhole and gets another, as often as that happens."""
    scene.odds.coming["job.port-taken"] = 2
    person = await scene.wanted()
    await scene.until(lambda: live(scene, person), "it is given a port")
    _, first = scene.forward(person)
    await scene.reaches(person, Phase.READY, 120.0)
    _, last = scene.forward(person)
    assert last.internal_port != first.internal_port
    assert scene.weather.struck["job.port-taken"] == 2


@pytest.mark.parametrize("ends", ["by itself", "by request", "by its node"])
@simulated
async def test_fault_26_nobody_reaches_the_next_tenant_through_an_old_port(scene: Scene, ends: str) -> None:
    """Its viewers are cut when a job ends; not before that does its port, or its host's, belong to somebody else."""
    person = await scene.served()
    gateway, forward = scene.forward(person)
    port, place = forward.external_port, (forward.internal_address, forward.internal_port)
    scene.gateways[gateway].connect(VIEWER, port)
    await scene.never(lambda: scene.phase(person) is not Phase.READY, "it is disturbed", BATCH_START)
    if ends == "by itself":
        scene.slurm.finish(scene.slurm_job(person).job_id)
    elif ends == "by request":
        await person.delete()
    else:
        scene.slurm.kill_node(forward.internal_host)
        scene.loop.call_later(5.0, scene.slurm.revive_node, forward.internal_host)
    await scene.until(lambda: not connections(scene), "its viewer is cut")
    cut_at = scene.loop.time()
    followers = [scene.person("bob") for _ in range(4)]
    await asyncio.gather(*(each.post() for each in followers))
    await scene.until(lambda: any(place_of(scene, each) == place for each in followers), "its place is given again")
    assert scene.loop.time() - cut_at >= QUARANTINE
    assert connections(scene) == 0


def place_of(scene: Scene, person: Person) -> tuple[str, int] | None:
    """Where the forward of a job leads."""
    grants = live(scene, person)
    return (grants[0].forwards[0].internal_address, grants[0].forwards[0].internal_port) if grants else None


def slow_to_probe(gateway: SimGateway, seconds: float) -> None:
    """From now on the gateway takes so long to say who listens."""
    probe = gateway._probe

    async def slow(args: Sequence[str], streams: Streams, without: str) -> None:
        await asyncio.sleep(seconds)
        await probe(args, streams, without)

    gateway.learn(PROBE, partial(gateway._run, slow))


@pytest.mark.parametrize("what", ["ends", "is requeued"])
@simulated
async def test_a_job_that_changes_while_its_ports_are_probed_gets_no_rule(scene: Scene, what: str) -> None:
    """Once its end, or another run of it, is recorded, nothing is loaded by what was judged before."""
    for gateway in scene.gateways.values():
        slow_to_probe(gateway, 12.0)
    person = await scene.wanted()
    await scene.until(lambda: scene.status(person).slurm and scene.phase(person) is Phase.RUNNING, "it runs")
    await asyncio.sleep(3.0)
    if what == "ends":
        await person.delete()
        await scene.reaches(person, Phase.FINISHED)
    else:
        assert scene.slurm.requeue(scene.slurm_job(person).job_id)
        await scene.until(lambda: scene.phase(person) is not Phase.RUNNING, "its requeue is recorded")
    assert not scene.grants(person), "the gateway has not answered yet"
    loaded = scene.never(lambda: any(each.rules() for each in scene.gateways.values()), "a rule is loaded", 40.0)
    given = scene.never(lambda: scene.grants(person), "it is given ports", 40.0)
    await asyncio.gather(loaded, given)
