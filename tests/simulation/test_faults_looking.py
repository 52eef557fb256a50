"""Faults of looking at Slurm, at their full length.

What cannot be seen changes no job; what is not ours is not touched.
"""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from bwvisu.adapters.slurm import look
from bwvisu.domain.lifecycle import Outcome, Phase
from bwvisu.domain.naming import SlurmJobName
from tests.simulation.host import Program, Streams
from tests.simulation.people import Person
from tests.simulation.scenario import Scene, simulated
from tests.simulation.slurm_job import HOSTILE_NAMES, Job
from tests.simulation.world import INSTALLATION

OUTAGE = 600.0
SPOILT = 60.0
LOOK_AT_MOST = 10.0
"""Seconds that squeue waits; the next look comes no sooner than five times what the last complete one took."""
LOOKED = 20.0
"""Seconds within which the cluster was looked at again, and what was seen is shown."""


def unlooked(scene: Scene) -> bool:
    """Whether users are shown that the cluster cannot be looked at."""
    return bool(scene.cluster.detail)


@pytest.mark.parametrize("hangs", [True, False])
@simulated
async def test_fault_04_ten_minutes_without_slurmctld_change_no_job(scene: Scene, hangs: bool) -> None:
    """No state changes, the cluster is shown as unreachable, sessions stay usable; one look later all is current."""
    stays, ends = await scene.served("alice"), await scene.served("bob")
    before, (gateway, forward) = scene.lasting(stays), scene.forward(stays)
    if hangs:
        scene.slurm.hang(True)
    else:
        scene.slurm.die()
    began = scene.loop.time()
    scene.slurm.finish(scene.slurm_job(ends).job_id, 3)
    changed = scene.never(
        lambda: scene.phase(stays) is not Phase.READY or scene.phase(ends) in {Phase.ENDING, Phase.FINISHED},
        "a job has changed",
        OUTAGE,
    )
    await asyncio.gather(changed, scene.until(lambda: unlooked(scene), "the cluster is shown as unreachable"))
    assert unlooked(scene)
    assert scene.loop.time() - began >= OUTAGE
    assert scene.gateways[gateway].connect("203.0.113.9", forward.external_port) is not None
    scene.slurm.hang(False)
    scene.slurm.start()
    await scene.until(lambda: not unlooked(scene), "the cluster is shown as reachable", LOOKED)
    await scene.reaches(ends, Phase.FINISHED, 5 * LOOK_AT_MOST + LOOKED)
    assert (scene.status(ends).outcome, scene.status(ends).exit_code) == (Outcome.FAILED, 3)
    assert scene.lasting(stays) == before


async def nothing(_: Program, __: Sequence[str], ___: Streams) -> int:
    """Exit code 0, no row, no closing line."""
    return 0


@pytest.mark.parametrize(
    "spoil",
    [
        "slurm.squeue-truncated",
        "slurm.squeue-empty",
        "slurm.squeue-garbage",
        "slurm.config-fails",
        "slurm.request-lost",
        "slurm.answer-lost",
        "ssh.half-answer",
        "ssh.dies-after",
        "ssh.dies-sending",
        "ssh.hangs",
        "ssh.refused",
    ],
)
@simulated
async def test_fault_05_spoilt_answers_change_no_job(scene: Scene, spoil: str) -> None:
    """Every look is spoilt in the same way for minutes: none is believed, and no job changes."""
    await scene.served("alice")
    await scene.served("bob")
    states = {job_id: status["slurm"] for job_id, status in scene.statuses().items()}
    scene.odds.always.add(spoil)
    await scene.never(
        lambda: states != {job_id: status["slurm"] for job_id, status in scene.invariants.status.items()},
        "a job has changed",
        SPOILT,
    )
    assert scene.weather.struck[spoil] >= 3


@simulated
async def test_fault_05_an_answer_without_its_closing_line_changes_no_job(scene: Scene) -> None:
    """squeue says nothing at all, and exit code 0: that is not an empty queue."""
    await scene.served()
    before = scene.statuses()
    for _ in range(30):  # more than there are looks in that time; what is left spoils the end for a while
        scene.once("sh", nothing, text=look.SCRIPT)
    await scene.never(lambda: scene.statuses() != before, "a job has changed", SPOILT)
    assert unlooked(scene)


@simulated
async def test_fault_05_a_site_that_hides_jobs_all_of_a_sudden_changes_no_job(scene: Scene) -> None:
    """``PrivateData=jobs`` comes into force: other users' jobs are hidden, which is no proof of their absence."""
    await scene.served()
    before = scene.statuses()
    scene.slurm.private_data = ("jobs",)
    await scene.never(lambda: scene.statuses() != before, "a job has changed", SPOILT)
    assert unlooked(scene)
    scene.slurm.private_data = ()


async def ended_unseen(scene: Scene, person: Person, *, says: bool = False) -> None:
    """The job ends with exit code 3 and is purged while no reconciler runs; ``says``: its script tells the keyhole."""
    number, (script, process) = scene.slurm_job(person).job_id, scene.script(person)
    for each in scene.reconcilers:
        scene.kill(each)
    if says:
        body = {"seq": 99, "event": "exited", "exit_code": 3}
        await scene.loop.spawn(process, script._call("reports", body, 10.0))
    scene.slurm.finish(number, 3)
    await scene.until(lambda: scene.slurm.jobs[number].over, "Slurm has noticed")
    scene.slurm.purge()
    for each in scene.reconcilers:
        each.start()


def with_accounting(scene: Scene) -> None:
    scene.slurm.accounting.on = True


@pytest.mark.parametrize(
    ("prepare", "says", "outcome", "code", "reason"),
    [
        pytest.param(with_accounting, False, Outcome.FAILED, 3, "exit-code", id="sacct"),
        pytest.param(lambda _: None, True, Outcome.FAILED, 3, "exit-code", id="own-report"),
        pytest.param(lambda _: None, False, Outcome.LOST, None, "lost", id="nobody-knows"),
    ],
)
@simulated
async def test_fault_06_a_job_that_ended_and_was_purged_while_we_were_down(
    scene: Scene, prepare: Callable[[Scene], None], says: bool, outcome: Outcome, code: int | None, reason: str
) -> None:
    """Slurm's accounting decides; without it the job's own exit report; without that it is *lost*, said in words."""
    prepare(scene)
    person = await scene.served()
    await ended_unseen(scene, person, says=says)
    await scene.reaches(person, Phase.FINISHED, 120.0)
    status = scene.status(person)
    assert (status.outcome, status.exit_code, scene.reason(person)) == (outcome, code, reason)
    assert status.reason is not None
    assert status.reason.message.endswith(".")
    assert len(scene.taken(person)) == 1


@simulated
async def test_fault_34_job_ids_that_start_again_are_not_mistaken(scene: Scene) -> None:
    """After a reset of Slurm the job's id is another job's, of the same owner even: ours is lost, that one stays."""
    person = await scene.served("alice")
    number = scene.slurm_job(person).job_id
    scene.reset_slurm()
    other = scene.somebody_submits("alice", "her-own")
    assert other.job_id == number
    await scene.reaches(person, Phase.FINISHED, 120.0)
    assert scene.status(person).outcome is Outcome.LOST
    again = await scene.served("alice")
    assert scene.slurm_job(again).job_id != number
    await person.delete()
    await again.delete()
    await scene.reaches(again, Phase.FINISHED)
    assert other.state == "RUNNING"


def likenesses(job_id: str, attempt: int) -> list[tuple[str, str]]:
    """Names much like that of alice's job, each with who may give it to a job of their own."""
    ours = str(SlurmJobName("bwv", INSTALLATION.id, job_id, attempt))
    unknown = str(SlurmJobName("bwv", INSTALLATION.id, "0" * 26, 1))
    return [
        *(("bob", name) for name in (ours, f"{ours}0", ours.upper(), unknown, *HOSTILE_NAMES)),
        *(("alice", name) for name in (ours.replace(INSTALLATION.id, "another"), f" {ours}", f"{ours}|", unknown)),
        ("alice", str(SlurmJobName("bwv", INSTALLATION.id, job_id, attempt + 6))),
    ]


@simulated
async def test_fault_36_names_that_are_made_to_deceive_are_neither_adopted_nor_cancelled(scene: Scene) -> None:
    """Whatever other jobs are called, before and after ours is submitted: only ours is followed, only ours is ended."""
    others: list[Job] = []

    async def outrun(sbatch: Program, args: Sequence[str], streams: Streams) -> int:
        others.extend(scene.somebody_submits(*each) for each in likenesses(person.job_id or "", 1))
        return await sbatch(args, streams)

    scene.once("sbatch", outrun)
    person = scene.person("alice")
    await person.post()
    await scene.reaches(person, Phase.READY)
    others.extend(scene.somebody_submits(*each) for each in likenesses(person.job_id or "", 1))
    await scene.never(lambda: scene.phase(person) is not Phase.READY, "the job is disturbed", 60.0)
    ((_, number),) = scene.taken(person)
    assert scene.slurm_job(person).job_id == number
    await person.delete()
    await scene.reaches(person, Phase.FINISHED)
    await scene.never(lambda: {other.state for other in others} != {"RUNNING"}, "somebody's job was ended", 60.0)


@simulated
async def test_what_was_told_of_partitions_outlives_slurm_and_whoever_asked(scene: Scene) -> None:
    """A leader who has not been told anything yet shows what the one before was told."""
    await scene.until(lambda: scene.cluster.partitions, "partitions are shown", LOOKED)
    told = scene.cluster.partitions
    assert {each.name: each.state for each in told or ()}["closed"] == "down"
    scene.slurm.die()
    await scene.until(lambda: unlooked(scene), "the cluster is shown as unreachable")
    forgotten = scene.never(lambda: scene.cluster.partitions != told, "partitions are forgotten", OUTAGE / 2)
    first = scene.head
    scene.kill(first)
    await asyncio.gather(forgotten, scene.until(lambda: scene.leader not in {None, first}, "another leads"))
    assert unlooked(scene)
