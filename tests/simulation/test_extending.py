"""Another run time, told over wires that lose answers, to a Slurm that hears late or forgets, by leaders that die."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from bwvisu.domain.job import ExtensionState
from tests.simulation.host import Program, Streams
from tests.simulation.people import Person
from tests.simulation.scenario import Scene, simulated

SETTLED = 100.0
"""Seconds within which a lost answer is waited out, or an earlier leader's word."""


def minutes(scene: Scene, person: Person) -> int | None:
    """What Slurm gives the job."""
    return scene.limit(scene.slurm_job(person).job_id)


def said(scene: Scene, person: Person) -> ExtensionState | None:
    """What the leader has said of the time that was last asked for."""
    wanted, known = scene.invariants.specs[person.job_id or ""].get("extension"), scene.status(person).extension
    return known.state if known is not None and wanted and known.number == wanted["number"] else None


def applied(scene: Scene, person: Person, wanted: int) -> Callable[[], bool]:
    """Slurm gives it, and users are told so."""
    return lambda: minutes(scene, person) == wanted and said(scene, person) is ExtensionState.APPLIED


@simulated
async def test_a_time_is_applied_within_a_moment(scene: Scene) -> None:
    person = await scene.served()
    began = scene.loop.time()
    await person.extend(600)
    assert applied(scene, person, 600)()
    assert scene.loop.time() - began < 5.0
    await person.extend(1000)
    assert applied(scene, person, 1000)()


@simulated
async def test_a_word_that_arrives_late_does_not_undo_a_later_one(scene: Scene) -> None:
    """slurmctld does after half a minute what it was asked first, when another time is wanted already."""
    person = await scene.served()
    number = scene.slurm_job(person).job_id

    async def late(_: Program, args: Sequence[str], streams: Streams) -> int:
        scene.slurm.deliver(partial(scene.slurm.set_time, number, streams.user, 600 * 60), after=30.0)
        await asyncio.sleep(10.0)
        streams.complain(f"Unexpected message received for job {args[1]}\n")
        return 1

    scene.once("scontrol", late, text="update")
    await person.extend(600)
    assert said(scene, person) is ExtensionState.PENDING
    await person.extend(1000)
    await scene.until(lambda: minutes(scene, person) == 600, "the first word arrives", 40.0)
    await scene.until(applied(scene, person, 1000), "the second one stands", SETTLED)
    await scene.never(lambda: minutes(scene, person) != 1000, "it is undone", 60.0)


@simulated
async def test_what_was_told_without_an_answer_is_seen_and_not_told_again(scene: Scene) -> None:
    person = await scene.served()
    given: list[int] = []
    scene.slurm.on_limit = lambda job: given.append((job.request.time_limit or 0) // 60)

    async def lost(scontrol: Program, args: Sequence[str], streams: Streams) -> int:
        await scontrol(args, streams)
        streams.complain("Unexpected message received for job 1\n")
        return 1

    scene.once("scontrol", lost, text="update")
    await person.extend(600)
    await scene.until(applied(scene, person, 600), "it is seen", SETTLED)
    assert given == [600]


@simulated
async def test_a_time_that_slurm_never_takes_is_refused_in_its_words(scene: Scene) -> None:
    person = await scene.served()

    async def no(_program: Program, _args: Sequence[str], streams: Streams) -> int:
        streams.complain("Unspecified error for job 1\n")
        return 1

    for _ in range(3):
        scene.once("scontrol", no, text="update")
    await person.extend(600)
    await scene.until(lambda: said(scene, person) is ExtensionState.REFUSED, "it is refused", 4 * SETTLED)
    known = scene.status(person).extension
    assert known is not None
    assert known.reason is not None
    assert "Unspecified error" in known.reason.message
    assert minutes(scene, person) == 1440
    await person.extend(1000)
    assert applied(scene, person, 1000)()


@simulated
async def test_a_leader_that_dies_before_it_wrote_the_answer_down(scene: Scene) -> None:
    """The next one finds the intent, waits for what may be on its way, and looks."""
    person = await scene.served()

    async def dies(scontrol: Program, args: Sequence[str], streams: Streams) -> int:
        status = await scontrol(args, streams)
        scene.kill(scene.head)
        return status

    scene.once("scontrol", dies, text="update")
    await person.extend(600)
    await scene.until(applied(scene, person, 600), "the next leader says so", SETTLED)


@simulated
async def test_another_job_under_the_same_number_is_left_alone(scene: Scene) -> None:
    """Slurm begins to count anew, and somebody's job has the number before anybody has looked."""
    person = await scene.served()
    number = scene.slurm_job(person).job_id
    scene.reset_slurm()
    for _ in range(number):
        foreign = scene.somebody_submits("bob", "work")
    assert foreign.job_id == number
    await person.extend(600)
    known = scene.status(person).extension
    assert known is None or known.state is ExtensionState.REFUSED
    assert foreign.request.time_limit == 3600
