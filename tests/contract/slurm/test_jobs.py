"""The life of a job, as it is seen through looks, details and cancellations."""

import pytest

from bwvisu.domain.observation import (
    Cancelled,
    CouldNotLook,
    ExitStatus,
    Final,
    NothingToCancel,
    SlurmState,
    StillThere,
)
from tests.contract.slurm.desk import Desk, request
from tests.contract.slurm.sites import STUBBORN, Site
from tests.support.waiting import eventually


async def test_a_job_is_shown_with_everything_that_a_look_tells(desk: Desk) -> None:
    job = request(options=("--time=5",))
    number = await desk.submit(job)
    row = await desk.until(job.job_name, SlurmState.RUNNING)
    assert (row.job_id, row.name, row.user, row.partition) == (number, job.job_name, "alice", "batch")
    assert (row.reason, row.restarts, row.exit_status, row.expected_start_at) == ("None", 0, None, None)
    assert (row.time_limit, len(row.nodes)) == (300, 1)
    assert row.nodes[0].startswith("node")
    assert row.submitted_at is not None
    assert row.started_at is not None
    assert row.submitted_at <= row.started_at <= row.submitted_at + 30
    assert row.ends_at == row.started_at + 300
    assert await desk.slurm.details(number) == StillThere(SlurmState.RUNNING, "alice", row.submitted_at)


async def test_the_nodes_of_a_job_are_all_told(desk: Desk) -> None:
    job = request(options=("--nodes=3",))
    await desk.submit(job)
    assert (await desk.until(job.job_name, SlurmState.RUNNING)).nodes == ("node1", "node2", "node3")


@pytest.mark.parametrize(
    ("code", "state", "reason"), [(0, SlurmState.COMPLETED, "None"), (3, SlurmState.FAILED, "NonZeroExitCode")]
)
async def test_a_job_that_has_ended_tells_how(desk: Desk, code: int, state: SlurmState, reason: str) -> None:
    job = request(script=b"#!/bin/sh\nexit %d\n" % code)
    number = await desk.submit(job)
    row = await desk.until(job.job_name, state)
    assert (row.reason, row.exit_status) == (reason, ExitStatus(code, 0))
    final = await desk.slurm.details(number)
    assert isinstance(final, Final)
    assert (final.state, final.reason, final.exit_status) == (state, reason, ExitStatus(code, 0))
    assert (final.user, final.nodes, final.submitted_at) == ("alice", row.nodes, row.submitted_at)


async def test_a_held_job_waits_and_is_cancelled_without_a_trace_of_a_run(desk: Desk) -> None:
    job = request(options=("--hold",))
    number = await desk.submit(job)
    row = await desk.until(job.job_name, SlurmState.PENDING)
    assert (row.reason, row.nodes, row.started_at, row.ends_at) == ("JobHeldUser", (), None, None)
    assert await desk.slurm.cancel(number, "alice", job.job_name) == Cancelled()
    row = await desk.until(job.job_name, SlurmState.CANCELLED)
    assert (row.reason, row.nodes, row.started_at, row.exit_status) == ("JobHeldUser", (), None, ExitStatus(0, 0))
    final = await desk.slurm.details(number)
    assert isinstance(final, Final)
    assert (final.started_at, final.nodes) == (None, ())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--partition=closed",), "PartitionDown"),
        (("--nodes=9",), "PartitionNodeLimit"),
        (("--partition=short", "--time=60"), "PartitionTimeLimit"),
    ],
)
async def test_a_job_that_can_never_start_is_taken_and_says_why(
    desk: Desk, options: tuple[str, ...], reason: str
) -> None:
    job = request(options=options)
    number = await desk.submit(job)
    row = await desk.until(job.job_name, SlurmState.PENDING, lambda row: row.reason == reason)
    assert (row.job_id, row.nodes, row.started_at) == (number, (), None)


async def test_a_running_job_is_cancelled_once(desk: Desk) -> None:
    job = request()
    number = await desk.submit(job)
    running = await desk.until(job.job_name, SlurmState.RUNNING)
    assert await desk.slurm.cancel(number, "alice", job.job_name) == Cancelled()
    assert await desk.slurm.cancel(number, "alice", job.job_name) == NothingToCancel()
    row = await desk.until(job.job_name, SlurmState.CANCELLED)
    assert (row.reason, row.nodes) == ("None", running.nodes)
    # Slurm calls a job running before its script is: cancelled in between, nothing was there to be ended by a signal.
    assert row.exit_status in (ExitStatus(0, 15), ExitStatus(0, 0))
    assert await desk.slurm.cancel(number, "alice", job.job_name) == NothingToCancel()


async def test_a_job_is_cancelled_only_where_id_name_and_owner_agree(desk: Desk) -> None:
    job = request(options=("--hold",))
    number = await desk.submit(job)
    assert await desk.slurm.cancel(number, "alice", f"{job.job_name}-other") == NothingToCancel()
    assert await desk.slurm.cancel(number, "bob", job.job_name) == NothingToCancel()
    assert await desk.slurm.cancel(number + 1000, "alice", job.job_name) == NothingToCancel()
    assert (await desk.until(job.job_name, SlurmState.PENDING)).job_id == number


async def test_processes_that_ignore_the_end_keep_their_job_completing(site: Site, desk: Desk) -> None:
    job = request(script=STUBBORN)
    number = await desk.submit(job)
    running = await desk.until(job.job_name, SlurmState.RUNNING)
    await eventually(lambda: site.deaf(number), 60)
    assert await desk.slurm.cancel(number, "alice", job.job_name) == Cancelled()
    completing = await desk.until(job.job_name, SlurmState.COMPLETING)
    assert (completing.nodes, completing.restarts, completing.exit_status) == (running.nodes, 0, None)
    ended = await desk.until(job.job_name, SlurmState.CANCELLED)
    assert ended.exit_status == ExitStatus(0, 9)
    assert ended.ends_at == completing.ends_at


async def test_a_requeue_counts_while_the_run_before_it_completes(site: Site, desk: Desk) -> None:
    job = request(script=STUBBORN)
    number = await desk.submit(job)
    first = await desk.until(job.job_name, SlurmState.RUNNING)
    await eventually(lambda: site.deaf(number), 60)
    site.requeue(number)
    completing = await desk.until(job.job_name, SlurmState.COMPLETING)
    assert (completing.restarts, completing.nodes) == (1, first.nodes)
    assert completing.submitted_at == first.submitted_at
    waiting = await desk.until(job.job_name, SlurmState.PENDING)
    assert (waiting.job_id, waiting.restarts, waiting.reason, waiting.nodes) == (number, 1, "BeginTime", ())
    assert waiting.submitted_at is not None
    assert first.submitted_at is not None
    assert waiting.submitted_at >= first.submitted_at
    assert waiting.expected_start_at is not None
    site.start_now(number)
    again = await desk.until(job.job_name, SlurmState.RUNNING)
    assert (again.restarts, again.submitted_at) == (1, waiting.submitted_at)


async def test_a_requeued_job_can_be_cancelled_while_its_first_run_completes(site: Site, desk: Desk) -> None:
    job = request(script=STUBBORN)
    number = await desk.submit(job)
    await desk.until(job.job_name, SlurmState.RUNNING)
    await eventually(lambda: site.deaf(number), 60)
    site.requeue(number)
    await desk.until(job.job_name, SlurmState.COMPLETING)
    assert await desk.slurm.cancel(number, "alice", job.job_name) == Cancelled()
    ended = await desk.until(job.job_name, SlurmState.CANCELLED)
    assert (ended.restarts, ended.exit_status) == (1, ExitStatus(0, 9))


async def test_a_job_that_was_purged_is_known_to_nobody_without_accounting(site: Site, desk: Desk) -> None:
    job = request(script=b"#!/bin/sh\nexit 0\n")
    number = await desk.submit(job)
    await desk.until(job.job_name, SlurmState.COMPLETED)
    with site.forgetful():
        await desk.until_gone(job.job_name)
        assert isinstance(await desk.slurm.details(number), CouldNotLook)
        assert await desk.slurm.cancel(number, "alice", job.job_name) == NothingToCancel()


async def test_an_id_that_never_was_is_known_to_nobody(desk: Desk) -> None:
    details = await desk.slurm.details(60_000_000)
    assert isinstance(details, CouldNotLook)
    assert "accounting storage is disabled" in details.reason
