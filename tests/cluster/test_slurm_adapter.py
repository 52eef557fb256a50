"""`SlurmCluster` against real Slurm, sudo and sshd: what the recorded outputs cannot show."""

import time
from collections.abc import AsyncIterator, Callable
from itertools import count

import pytest

from bwvisu.adapters.slurm import SlurmCluster, SlurmSettings, Submission
from bwvisu.adapters.ssh import Node, SshPool, SshSettings
from bwvisu.domain.observation import (
    Cancelled,
    CouldNotLook,
    Final,
    Look,
    NothingToCancel,
    Refused,
    SlurmJob,
    SlurmState,
    StillThere,
    Submitted,
    Unknown,
)
from bwvisu.sandbox import Sandbox
from tests.support.waiting import eventually_true

_numbers = count(time.time_ns())
SLEEP = b"#!/bin/sh\nsleep 300\n"


def request(user: str = "alice", name: str = "", script: bytes = SLEEP, options: tuple[str, ...] = ()) -> Submission:
    home = f"/home/{user}"
    return Submission(user, home, name or f"bwvadapter-{next(_numbers)}", f"{home}/out-%j", script, options)


@pytest.fixture
async def made(sandbox: Sandbox) -> AsyncIterator[Callable[..., SlurmCluster]]:
    """Makes a `SlurmCluster` with some deadlines of its own."""
    pool = SshPool(SshSettings(sandbox.key_file, sandbox.known_hosts, backoff_first=0.2, backoff_limit=1.0))
    nodes = [Node(str(sandbox.addresses[name].inner), "bwvisu") for name in ("cmd1", "cmd2")]
    yield lambda **seconds: SlurmCluster(pool, nodes, SlurmSettings(name_prefix="bwvadapter", **seconds))
    for state in ("PENDING", "RUNNING"):
        sandbox.run("ctl", ["scancel", f"--state={state}", "--user=alice"])
    await pool.aclose()


@pytest.fixture
def slurm(made: Callable[..., SlurmCluster]) -> SlurmCluster:
    return made()


async def shown(slurm: SlurmCluster, name: str) -> SlurmJob | None:
    look = await slurm.look()
    found = look.named(name) if isinstance(look, Look) else ()
    return found[0] if found else None


async def wait_for(slurm: SlurmCluster, name: str, state: SlurmState) -> SlurmJob:
    async def reached() -> bool:
        job = await shown(slurm, name)
        return job is not None and job.state is state

    await eventually_true(reached, 90)
    job = await shown(slurm, name)
    assert job is not None
    return job


async def test_a_job_is_submitted_seen_cancelled_and_inquired(slurm: SlurmCluster) -> None:
    job = request()
    submitted = await slurm.submit(job)
    assert isinstance(submitted, Submitted)
    number = submitted.slurm_job_id
    running = await wait_for(slurm, job.job_name, SlurmState.RUNNING)
    assert (running.job_id, running.user, len(running.nodes), running.restarts) == (number, "alice", 1, 0)
    assert await slurm.details(number) == StillThere(SlurmState.RUNNING, "alice", running.submitted_at)
    assert await slurm.cancel(number, "alice", job.job_name) == Cancelled()
    await wait_for(slurm, job.job_name, SlurmState.CANCELLED)
    final = await slurm.details(number)
    assert isinstance(final, Final)
    assert (final.state, final.user, final.submitted_at) == (SlurmState.CANCELLED, "alice", running.submitted_at)
    assert await slurm.cancel(number, "alice", job.job_name) == NothingToCancel()


async def test_a_job_is_cancelled_only_where_id_name_and_owner_agree(slurm: SlurmCluster) -> None:
    job = request(options=("--hold",))
    submitted = await slurm.submit(job)
    assert isinstance(submitted, Submitted)
    assert await slurm.cancel(submitted.slurm_job_id, "alice", "bwvadapter-other") == NothingToCancel()
    assert await slurm.cancel(submitted.slurm_job_id, "bob", job.job_name) == NothingToCancel()
    assert (await wait_for(slurm, job.job_name, SlurmState.PENDING)).job_id == submitted.slurm_job_id


async def test_a_name_that_imitates_a_row_makes_no_job(slurm: SlurmCluster) -> None:
    victim = request(options=("--hold",))
    submitted = await slurm.submit(victim)
    assert isinstance(submitted, Submitted)
    row = f"{submitted.slurm_job_id}|alice|COMPLETED|0|0|batch|1|1|1|1:00|node1|None|{victim.job_name}|"
    assert isinstance(await slurm.submit(request(name=f"x\n{row}\n", options=("--hold",))), Submitted)
    assert (await wait_for(slurm, victim.job_name, SlurmState.PENDING)).job_id == submitted.slurm_job_id


@pytest.mark.parametrize(
    ("job", "code"),
    [
        (request(options=("--partition=nosuch",)), "rejected-by-slurm"),
        (request(options=("--nosuch=1",)), "rejected-by-slurm"),
        (request(script=b"#!/bin/sh\r\nls\r\n"), "rejected-by-slurm"),
        (request(user="bwvt-nobody"), "unknown-user"),
        (request(user="root"), "not-permitted"),
    ],
)
async def test_refusals_are_known_and_leave_no_job(slurm: SlurmCluster, job: Submission, code: str) -> None:
    refused = await slurm.submit(job)
    assert isinstance(refused, Refused)
    assert refused.code == code
    look = await slurm.look()
    assert isinstance(look, Look)
    assert not look.named(job.job_name)


async def test_a_hanging_slurmctld_makes_everything_unknown_and_the_job_may_exist_after_all(
    sandbox: Sandbox, slurm: SlurmCluster, made: Callable[..., SlurmCluster]
) -> None:
    job = request()
    hasty = made(submit_timeout=3, look_timeout=4)
    sandbox.pause("slurmctld")
    try:
        assert isinstance(await hasty.submit(job), Unknown)
        assert isinstance(await hasty.look(), CouldNotLook)
        left = sandbox.run("cmd1", ["ps", "-ww", "-eo", "args"]).stdout
        assert job.job_name not in left, "the remote deadline ends sudo and sbatch"
    finally:
        sandbox.resume("slurmctld")
    assert (await wait_for(slurm, job.job_name, SlurmState.RUNNING)).user == "alice"
