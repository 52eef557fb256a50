"""Faults around a submission, each at its exact moment: however it goes, one Slurm job comes of one request."""

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest

from bwvisu.adapters.slurm.submission import WRAPPER
from bwvisu.domain.lifecycle import Outcome, Phase
from bwvisu.domain.principal import Principal, Scope
from bwvisu.errors import UserError
from bwvisu.services.request import JobRequest
from bwvisu.services.submit import Accepted, submit
from tests.simulation.host import Program, Streams
from tests.simulation.people import Person
from tests.simulation.scenario import Scene, Trick, simulated
from tests.simulation.slurm_options import read

PORTAL = Principal("portal", frozenset(Scope))
REQUEST = JobRequest(user="alice", application="one-port")
RESOLVED = 300.0
"""Seconds within which looks decide what became of a submission."""


def severed(scene: Scene, *, submits: bool) -> Trick:
    """SSH dies before the answer comes; sbatch has, or has not, run by then."""

    async def trick(sbatch: Program, args: Sequence[str], streams: Streams) -> int:
        scene.odds.always.add("ssh.half-answer")
        return await sbatch(args, streams) if submits else 137

    return trick


async def unknown(scene: Scene, person: Person) -> None:
    """Until the leader does not know what became of the submission; the network is well again."""
    await scene.until(lambda: scene.reason(person) == "submission-unknown", "the submission is unknown")
    scene.odds.clear()


@simulated
async def test_fault_01_an_answer_that_is_lost_after_sbatch_is_found_by_its_name(scene: Scene) -> None:
    """The job is found by name and adopted; one Slurm job."""
    scene.once("sbatch", severed(scene, submits=True))
    person = await scene.wanted()
    await unknown(scene, person)
    await scene.reaches(person, Phase.READY, RESOLVED)
    assert [attempt for attempt, _ in scene.taken(person)] == [1]


@simulated
async def test_fault_02_a_job_that_never_came_to_sbatch_is_submitted_again_on_proof(scene: Scene) -> None:
    """Proven absent, submitted again; one Slurm job."""
    scene.once("sbatch", severed(scene, submits=False))
    person = await scene.wanted()
    await unknown(scene, person)
    waited = await scene.reaches(person, Phase.READY, RESOLVED)
    assert [attempt for attempt, _ in scene.taken(person)] == [2]
    assert waited >= 15.0, "two complete looks that far apart must agree"


@simulated
async def test_fault_03_an_sbatch_that_lingers_is_killed_by_the_remote_timeout(scene: Scene) -> None:
    """It would retry for two minutes: the remote ``timeout`` ends it, and nothing of it comes later."""
    killed: list[float] = []

    async def lingers(sbatch: Program, args: Sequence[str], streams: Streams) -> int:
        began = scene.loop.time()
        try:
            await asyncio.sleep(119.0)
        except asyncio.CancelledError:
            killed.append(scene.loop.time() - began)
            raise
        return await sbatch(args, streams)

    scene.once("sbatch", lingers)
    person = await scene.wanted()
    await scene.reaches(person, Phase.READY, RESOLVED)
    assert killed == [pytest.approx(25.0)]
    assert [attempt for attempt, _ in scene.taken(person)] == [2]


@pytest.mark.parametrize("seconds", [12.0, 60.0, 240.0])
@simulated
async def test_fault_03a_what_a_slurmctld_that_hung_carries_out_late_is_adopted(scene: Scene, seconds: float) -> None:
    """However long slurmctld hangs over a submission: the job is recognised, and there is no second one."""

    async def hangs(sbatch: Program, args: Sequence[str], streams: Streams) -> int:
        scene.slurm.hang(True)
        return await sbatch(args, streams)

    scene.once("sbatch", hangs)
    person = await scene.wanted()
    await scene.never(lambda: scene.taken(person), "something was submitted", seconds)
    scene.slurm.hang(False)
    await scene.reaches(person, Phase.READY, RESOLVED)
    assert [attempt for attempt, _ in scene.taken(person)] == [1]


@simulated
async def test_fault_03b_a_submission_that_slips_through_after_its_absence_was_proven_is_cancelled(
    scene: Scene,
) -> None:
    """The stray is cancelled, gets no port, and whoever is served notices nothing."""

    async def lost_on_its_way(sbatch: Program, args: Sequence[str], streams: Streams) -> int:
        request = read(args, await streams.stdin.read(), streams.user)
        scene.slurm.deliver(partial(scene.slurm.submit, request), after=240.0)
        await asyncio.sleep(30.0)
        return 1

    scene.once("sbatch", lost_on_its_way)
    person = await scene.wanted()
    await scene.reaches(person, Phase.READY, 239.0)
    await scene.until(lambda: len(scene.taken(person)) == 2, "the first attempt slips through", RESOLVED)
    (present, _), (late, stray) = scene.taken(person)
    assert (present, late) == (2, 1)
    gone = scene.until(lambda: (1, stray) not in scene.live(person.job_id or ""), "the stray is cancelled", 20.0)
    disturbed = scene.never(lambda: scene.phase(person) is not Phase.READY, "the job is disturbed", 60.0)
    await asyncio.gather(gone, disturbed)
    assert {grant.attempt for grant in scene.grants(person)} == {2}


@simulated
async def test_fault_05a_a_script_that_arrives_in_part_is_never_submitted(scene: Scene) -> None:
    """Length and digest are checked before sbatch starts: wherever SSH dies in the middle, nothing is submitted."""

    async def cut_off(sh: Program, args: Sequence[str], streams: Streams) -> int:
        scene.odds.always.add("ssh.dies-sending")
        return await sh(args, streams)

    scene.once("sh", cut_off, text=WRAPPER)
    person = await scene.wanted()
    for _ in range(12):
        await scene.until(lambda: scene.odds.always, "a script is being sent")
        await scene.reaches(person, Phase.NEW)
        scene.odds.clear()
        scene.once("sh", cut_off, text=WRAPPER)
    assert not scene.slurm.submitted
    assert scene.weather.struck["ssh.dies-sending"] >= 24, "both command nodes were tried"
    await scene.until(lambda: scene.odds.always, "a script is being sent")
    scene.odds.clear()
    await scene.reaches(person, Phase.READY)
    assert len(scene.taken(person)) == 1


@simulated
async def test_fault_07_a_request_that_is_repeated_makes_one_job(scene: Scene) -> None:
    """The client hears no answer, time and again: the same job."""
    scene.odds.coming["client.answer-lost"] = 5
    person = await scene.wanted()
    assert len(scene.invariants.specs) == len(person.accepted) == 1
    await scene.reaches(person, Phase.READY)


@simulated
async def test_fault_07a_a_key_that_is_used_for_another_request_is_refused(scene: Scene) -> None:
    """Another body: 422, whether or not it would be valid, and no job."""
    person = await scene.wanted()
    (api,) = scene.apis
    for other in (JobRequest("bob", "one-port"), JobRequest("alice", "one-port", parameters={"minutes": 5})):
        with pytest.raises(UserError) as caught:
            await api.call(submit(api.context, other, PORTAL, person.key))
        assert caught.value.slug == "idempotency-key-reused"
    assert len(scene.invariants.specs) == 1


@simulated
async def test_fault_07b_the_same_request_many_times_at_once_makes_one_job(scene: Scene) -> None:
    """One of them creates it; all are answered with it."""
    (api,) = scene.apis
    person = scene.person("alice")
    answers: list[Accepted] = await asyncio.gather(
        *(api.call(submit(api.context, REQUEST, PORTAL, person.key)) for _ in range(8))
    )
    assert len({answer.job.spec.id for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1
    person.accepted.add(answers[0].job.spec.id)


@simulated
async def test_fault_08_a_job_that_is_stopped_while_it_is_submitted_is_ended(scene: Scene) -> None:
    """DELETE is sticky: resolved first, then cancelled, verified gone."""
    asked = scene.loop.create_future()

    async def slow(sbatch: Program, args: Sequence[str], streams: Streams) -> int:
        asked.set_result(None)
        await asyncio.sleep(10.0)
        return await sbatch(args, streams)

    scene.once("sbatch", slow)
    person = await scene.wanted()
    await asked
    await person.delete()
    assert not scene.taken(person)
    await scene.until(lambda: scene.taken(person), "sbatch has gone on")
    await scene.reaches(person, Phase.FINISHED)
    assert scene.status(person).outcome is Outcome.CANCELLED
    assert not scene.live(person.job_id or "")
    assert len(scene.taken(person)) == 1


@pytest.mark.parametrize("submits", [True, False])
@simulated
async def test_fault_08a_a_job_that_is_stopped_while_its_fate_is_unknown_is_ended(scene: Scene, submits: bool) -> None:
    """Whether or not Slurm has it: it is found out, it ends, and it is not submitted again."""
    scene.once("sbatch", severed(scene, submits=submits))
    person = await scene.wanted()
    await unknown(scene, person)
    await person.delete()
    await scene.reaches(person, Phase.FINISHED, RESOLVED)
    assert scene.status(person).outcome is Outcome.CANCELLED
    assert len(scene.taken(person)) == submits


@simulated
async def test_fault_27_a_command_node_that_hangs_is_passed_over(scene: Scene) -> None:
    """It accepts TCP and does nothing: deadline, breaker, node 2; no double submission."""
    scene.command_nodes["c1"].hanging = True
    people = [await scene.wanted(user) for user in ("alice", "bob", "carol")]
    for person in people:
        await scene.reaches(person, Phase.READY)
        assert len(scene.taken(person)) == 1
    await scene.until(lambda: not scene.cluster.command_nodes[0].reachable, "the hanging node is shown as such")
    assert scene.cluster.command_nodes[1].reachable
    scene.command_nodes["c1"].hanging = False


@simulated
async def test_fault_27a_a_command_node_that_hangs_in_the_middle_of_a_submission_doubles_nothing(scene: Scene) -> None:
    """The submission's fate is unknown then, until node 2 has shown it."""

    async def hangs(sbatch: Program, args: Sequence[str], streams: Streams) -> int:
        scene.command_nodes["c1"].hanging = True
        return await sbatch(args, streams)

    scene.once("sbatch", hangs)
    person = await scene.wanted()
    await scene.reaches(person, Phase.READY, RESOLVED)
    assert [attempt for attempt, _ in scene.taken(person)] == [1]
    scene.command_nodes["c1"].hanging = False
