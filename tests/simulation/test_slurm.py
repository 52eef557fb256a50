"""The ugly behaviours of the simulated Slurm, each by the production adapter on the simulated loop."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest

from bwvisu.adapters.slurm import SlurmCluster, SlurmSettings, Submission
from bwvisu.adapters.slurm import submission as submitting
from bwvisu.adapters.ssh import Node
from bwvisu.domain.observation import (
    CouldNotLook,
    Final,
    Look,
    NotStarted,
    ProvenAbsent,
    SlurmJob,
    SlurmState,
    StillThere,
    Submitted,
    Unknown,
)
from tests.simulation import command_node, slurm_rpc
from tests.simulation.command_node import SimCommandNode
from tests.simulation.host import Stdin, Streams
from tests.simulation.loop import SimLoop
from tests.simulation.slurm import FAULTS, Job, Pace, Request, SimSlurm
from tests.simulation.slurm_job import HOSTILE_NAMES
from tests.simulation.ssh import SimPool
from tests.simulation.weather import Storm

NAME = "bwv-x"
SCRIPT = b"#!/bin/sh\n#SBATCH --time=10\nsleep 300\n"


class Scene:
    """A cluster in the weather that a test orders, and what its scripts went through."""

    def __init__(self, odds: Mapping[str, float]) -> None:
        loop = asyncio.get_running_loop()
        self.weather = Storm(random.Random(1), odds)  # noqa: S311
        self.ctld = SimSlurm(lambda: 1_800_000_000 + loop.time(), self.weather, Pace(slurmd_timeout=60.0))
        self.runs: list[tuple[str, int, int]] = []
        self.ctld.on_start = lambda job: self.runs.append(("start", job.job_id, job.run))
        self.ctld.on_end = lambda job, run: self.runs.append(("end", job.job_id, run))
        self.hosts = {name: SimCommandNode(name, self.ctld) for name in ("c1", "c2")}
        self.nodes = [Node(name, "bwvisu") for name in self.hosts]
        self.slurm = SlurmCluster(SimPool(self.hosts, self.weather), self.nodes, SlurmSettings(), loop.time)

    async def submit(self, name: str = NAME) -> Any:
        return await self.slurm.submit(Submission("alice", "/home/alice", name, "/home/alice/out", SCRIPT))

    async def look(self) -> Look:
        look = await self.slurm.look()
        assert isinstance(look, Look), look
        return look

    async def only(self) -> SlurmJob:
        (job,) = (await self.look()).rows.values()
        return job

    async def running(self, **how: Any) -> Job:
        job = self.ctld.submit(Request("alice", NAME, **how))
        await asyncio.sleep(5)
        assert job.state == "RUNNING"
        return job


Play = Callable[[Scene], Coroutine[Any, Any, None]]


def play(story: Play, **odds: float) -> Scene:
    """Run a story to its end in simulated time; ``odds``: faults of Slurm, without their prefix."""
    loop = SimLoop(random.Random(1))  # type: ignore[abstract]  # noqa: S311  sockets and signals have no place in it

    async def whole() -> Scene:
        scene = Scene({f"slurm.{name.replace('_', '-')}": odd for name, odd in odds.items()})
        await story(scene)
        return scene

    try:
        scene: Scene = loop.run_until_complete(whole())
    finally:
        loop.end()
    assert not loop.crashes
    return scene


@pytest.mark.parametrize(("fault", "exists"), [("request_lost", False), ("answer_lost", True)])
def test_a_socket_times_out_with_and_without_a_job(fault: str, exists: bool) -> None:
    async def story(scene: Scene) -> None:
        outcome = await scene.submit()
        assert isinstance(outcome, Unknown)
        assert "Socket timed out" in outcome.reason
        assert bool(scene.ctld.jobs) is exists

    play(story, **{fault: 1.0})


def test_a_submission_to_a_hanging_slurmctld_is_carried_out_when_it_goes_on() -> None:
    async def story(scene: Scene) -> None:
        scene.ctld.hang(True)
        assert isinstance(await scene.submit(), Unknown)
        assert isinstance(await scene.slurm.look(), CouldNotLook)
        await asyncio.sleep(300)
        assert not scene.ctld.jobs
        scene.ctld.hang(False)
        job = await scene.only()
        assert job.submitted_at is not None
        assert job.submitted_at > 1_800_000_300

    play(story)


def test_the_death_of_the_command_node_takes_no_request_back() -> None:
    async def story(scene: Scene) -> None:
        scene.ctld.hang(True)
        submission = asyncio.create_task(scene.submit())
        await asyncio.sleep(3)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        for host in scene.hosts.values():
            loop.kill(host.process)
        scene.ctld.hang(False)
        assert len(scene.ctld.jobs) == 1
        assert isinstance(await submission, Unknown)

    play(story)


def test_what_a_dying_slurmctld_was_asked_is_lost() -> None:
    async def story(scene: Scene) -> None:
        scene.ctld.hang(True)
        assert isinstance(await scene.submit(), Unknown)
        scene.ctld.die()
        scene.ctld.start()
        assert not (await scene.look()).rows
        scene.ctld.die()
        assert isinstance(await scene.submit(), Unknown)
        assert isinstance(await scene.slurm.look(), CouldNotLook)

    play(story)


def test_a_start_that_was_not_saved_happens_again_with_the_same_restart_count() -> None:
    async def story(scene: Scene) -> None:
        job = await scene.running()
        scene.ctld.die(forgets=4.95)
        scene.ctld.start()
        assert (await scene.only()).state is SlurmState.PENDING
        await asyncio.sleep(10)
        assert (job.state, job.restarts) == ("RUNNING", 0)
        assert scene.runs == [("start", 1, 0), ("end", 1, 0), ("start", 1, 0)]

    play(story)


def test_a_submission_that_was_not_saved_is_forgotten_and_its_id_given_again() -> None:
    async def story(scene: Scene) -> None:
        assert isinstance(await scene.submit(), Submitted)
        scene.ctld.die(forgets=5)
        scene.ctld.start()
        assert not (await scene.look()).rows
        assert scene.ctld.submit(Request("bob", "other")).job_id == 1, "and the id is another's now"

    play(story)


def test_an_sbatch_that_tries_again_is_ended_by_its_deadline() -> None:
    async def story(scene: Scene) -> None:
        outcomes = [await scene.submit(f"{NAME}-{number}") for number in range(12)]
        assert any(isinstance(outcome, Unknown) for outcome in outcomes)
        await asyncio.sleep(200)
        assert len(scene.ctld.submitted) == sum(isinstance(outcome, Submitted) for outcome in outcomes)

    play(story, sbatch_slow=1.0)


@pytest.mark.parametrize("fault", ["squeue_truncated", "squeue_empty", "config_fails", "squeue_garbage"])
def test_a_spoilt_answer_is_no_look(fault: str) -> None:
    async def story(scene: Scene) -> None:
        for number in range(4):
            scene.ctld.submit(Request("alice", f"{NAME}-{number}"))
        assert isinstance(await scene.slurm.look(), CouldNotLook)
        assert scene.weather.struck

    play(story, **{fault: 1.0})


def test_no_name_spoils_a_look_or_makes_a_row() -> None:
    async def story(scene: Scene) -> None:
        for name in HOSTILE_NAMES:
            scene.ctld.submit(Request("bob", name))
        job = scene.ctld.submit(Request("alice", "bwv-real"))
        assert [row.job_id for row in (await scene.look()).named("bwv-real")] == [job.job_id]

    play(story)


def test_completing_lasts_for_ever_where_processes_cannot_be_ended() -> None:
    async def story(scene: Scene) -> None:
        job = await scene.running()
        scene.ctld.wedge(job.job_id)
        await scene.slurm.cancel(job.job_id, "alice", NAME)
        await asyncio.sleep(5000)
        assert (await scene.only()).state is SlurmState.COMPLETING
        assert job.alive
        scene.ctld.unwedge()
        await asyncio.sleep(5)
        assert (await scene.only()).state is SlurmState.CANCELLED
        assert scene.runs == [("start", 1, 0), ("end", 1, 0)]

    play(story)


def test_a_requeue_counts_at_once_and_starts_again_two_minutes_later() -> None:
    async def story(scene: Scene) -> None:
        job = await scene.running()
        scene.ctld.on_term = lambda _: None
        assert scene.ctld.requeue(job.job_id)
        seen = await scene.only()
        assert (seen.state, seen.restarts, seen.nodes) == (SlurmState.COMPLETING, 1, ("node1",))
        await asyncio.sleep(60)
        assert (await scene.only()).state is SlurmState.PENDING
        await asyncio.sleep(130)
        assert (await scene.only()).state is SlurmState.RUNNING
        assert scene.runs == [("start", 1, 0), ("end", 1, 0), ("start", 1, 1)]

    play(story)


@pytest.mark.parametrize("site_requeues", [False, True])
def test_a_dead_node_is_noticed_late(site_requeues: bool) -> None:
    async def story(scene: Scene) -> None:
        scene.ctld.site_requeues = site_requeues
        await scene.running()
        scene.ctld.kill_node("node1")
        assert scene.runs[-1] == ("end", 1, 0)
        await asyncio.sleep(50)
        assert (await scene.only()).state is SlurmState.RUNNING
        await asyncio.sleep(20)
        seen = await scene.only()
        assert seen.state is (SlurmState.PENDING if site_requeues else SlurmState.NODE_FAIL)
        assert seen.restarts == int(site_requeues)

    play(story)


def test_processes_on_a_node_that_is_cut_off_outlive_their_job() -> None:
    async def story(scene: Scene) -> None:
        scene.ctld.site_requeues = True
        await scene.running()
        scene.ctld.cut_node("node1")
        await asyncio.sleep(200)
        assert (await scene.only()).nodes == ("node2",)
        assert scene.runs == [("start", 1, 0), ("start", 1, 1)]
        scene.ctld.revive_node("node1")
        assert scene.runs[-1] == ("end", 1, 0)

    play(story)


def test_a_reboot_soon_after_the_start_leaves_a_job_without_processes() -> None:
    async def story(scene: Scene) -> None:
        scene.ctld.submit(Request("alice", NAME, time_limit=600))
        await asyncio.sleep(4)
        scene.ctld.kill_node("node1")
        scene.ctld.revive_node("node1")
        await asyncio.sleep(500)
        assert (await scene.only()).state is SlurmState.RUNNING
        await asyncio.sleep(200)
        assert (await scene.only()).state is SlurmState.TIMEOUT

    play(story)


def test_ids_begin_again_after_a_reset() -> None:
    async def story(scene: Scene) -> None:
        await scene.running()
        scene.ctld.reset()
        assert scene.runs[-1] == ("end", 1, 0)
        assert not (await scene.look()).rows
        assert scene.ctld.submit(Request("bob", "other")).job_id == 1

    play(story)


def test_an_end_is_reported_when_slurmctld_is_back_and_jobs_are_purged_later() -> None:
    async def story(scene: Scene) -> None:
        job = await scene.running()
        scene.ctld.die()
        scene.ctld.finish(job.job_id, 3)
        await asyncio.sleep(100)
        scene.ctld.start()
        await asyncio.sleep(5)
        seen = await scene.only()
        assert (seen.state, seen.reason) == (SlurmState.FAILED, "NonZeroExitCode")
        await asyncio.sleep(400)
        assert not (await scene.look()).rows

    play(story)


def test_accounting_tells_of_purged_jobs_in_its_own_time() -> None:
    async def story(scene: Scene) -> None:
        scene.ctld.accounting.on = True
        assert await scene.slurm.details(7) == ProvenAbsent()
        job = await scene.running()
        assert isinstance(await scene.slurm.details(1), StillThere)
        scene.ctld.accounting.away = True
        await scene.slurm.cancel(1, "alice", NAME)
        await asyncio.sleep(10)
        scene.ctld.purge()
        assert isinstance(await scene.slurm.details(1), CouldNotLook)
        scene.ctld.accounting.recover()
        final = await scene.slurm.details(1)
        assert isinstance(final, Final)
        assert (final.state, final.user, final.submitted_at) == (SlurmState.CANCELLED, "alice", job.submit_time)

    play(story)


@pytest.mark.parametrize(("without", "submitted"), [("", 0), ("digest", 1)])
def test_a_part_of_a_script_is_submitted_only_by_a_wrapper_that_does_not_check(without: str, submitted: int) -> None:
    async def story(scene: Scene) -> None:
        job = Submission("alice", "/home/alice", NAME, "/home/alice/out", SCRIPT)
        talk = submitting.conversation(job, 5)
        argv, host = list(talk.argv), SimCommandNode("c3", scene.ctld)
        if without:
            argv[2] = argv[2].replace(command_node.LENGTH_CHECK, "")
            host.learn(argv[2], host._wrapper, digest=command_node.LENGTH_CHECK)
        stdin, said = Stdin(), bytearray()
        stdin.feed(SCRIPT[:-5])
        stdin.close()
        assert await host.execute(argv, Streams(stdin, said.extend, said.extend)) == 0
        assert len(scene.ctld.submitted) == submitted
        assert without or b"INCOMPLETE" in said

    play(story)


def test_an_unreachable_command_node_submits_nothing() -> None:
    async def story(scene: Scene) -> None:
        for host in scene.hosts.values():
            host.up = False
        assert isinstance(await scene.submit(), NotStarted)

    play(story)


def test_every_fault_that_is_asked_for_is_listed() -> None:
    modules = (command_node, slurm_rpc)
    texts = [str(constant) for module in modules for constant in _strings(vars(module))]
    asked = {text for text in texts if text.startswith("slurm.") and " " not in text}
    assert asked
    assert asked <= FAULTS.keys()


def _strings(names: Mapping[str, Any]) -> list[object]:
    """Constants of all functions of a module and of its classes."""
    functions = [thing for thing in names.values() if hasattr(thing, "__code__")]
    inner = [
        thing
        for each in names.values()
        if isinstance(each, type)
        for thing in vars(each).values()
        if hasattr(thing, "__code__")
    ]
    return [constant for function in [*functions, *inner] for constant in function.__code__.co_consts]
