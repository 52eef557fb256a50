"""SSH and sbatch die around a submission.  However it goes: one Slurm job lives, and it is the one that is shown.

Deadlines are those of `tests.support.chaos.SWIFT` (sbatch may take 3 s): a lost submission is decided after about half
a minute, of which 15 s are the rule that two complete looks so far apart must agree.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bwvisu.cli.local import until
from bwvisu.sandbox import Sandbox
from tests.support.chaos import Scene, ambush, paused, processes, scene, send, stopped, submitting
from tests.support.world import slurm_jobs

FIRST = "cmd1"
"""The command node that is asked first."""
SUDO = "^sudo .* sbatch "


@pytest.fixture(scope="module")
def world(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("submission")
    with scene(sandbox, folder, "api", "keyhole") as world:
        world.lead("reconciler")
        yield world


def test_fault_01_ssh_dies_after_sbatch_has_spoken_and_its_job_is_adopted(world: Scene, sandbox: Sandbox) -> None:
    with paused(sandbox, "slurmctld"):
        job_id = world.alice.submit()
        until(lambda: submitting(sandbox, job_id), 20, "sbatch waits for slurmctld", every=0.02)
        sandbox.stop(f"{FIRST}:sshd")
        assert submitting(sandbox, job_id) == FIRST, "sbatch goes on without its connection"
    sandbox.start(f"{FIRST}:sshd")
    job = world.alice.wait(job_id, "available")
    world.in_order(job)
    (only,) = slurm_jobs(sandbox, job_id)
    assert only["name"].endswith("-1")
    world.end(job_id)


def test_fault_02_ssh_dies_before_sbatch_ran_and_the_job_is_submitted_again(world: Scene, sandbox: Sandbox) -> None:
    with ambush(sandbox, FIRST, SUDO, signal.SIGSTOP) as sprung:
        job_id = world.alice.submit()
        assert sprung(), "sudo is stopped before it starts sbatch"
    sandbox.stop(FIRST)
    try:
        job = world.alice.wait(job_id, "available", 90)
        world.in_order(job)
    finally:
        sandbox.start(FIRST)
    (only,) = slurm_jobs(sandbox, job_id)
    assert only["name"].endswith("-2")
    world.end(job_id)


def test_fault_03_an_sbatch_that_slips_through_late_is_a_stray_and_is_cancelled(world: Scene, sandbox: Sandbox) -> None:
    """Its node stops it, and `timeout` that watches over it, and lets it go on when the job runs by a second try."""
    with ambush(sandbox, FIRST, SUDO, signal.SIGSTOP) as sprung:
        job_id = world.alice.submit()
        sudo = sprung().split()
    send(sandbox, FIRST, "STOP", processes(sandbox, FIRST, f"^timeout .*{job_id}"))
    with stopped(sandbox, f"{FIRST}:sshd"):
        until(lambda: world.alice.job(job_id)["reason"], 20, "the leader knows that it does not know")
    job = world.alice.wait(job_id, "available", 90)
    world.in_order(job)

    send(sandbox, FIRST, "CONT", sudo)
    until(lambda: len(slurm_jobs(sandbox, job_id, ended=True)) == 2, 60, "the late sbatch has submitted")
    until(lambda: len(slurm_jobs(sandbox, job_id)) == 1, 20, "the stray is gone")
    (only,) = slurm_jobs(sandbox, job_id)
    assert (only["id"], only["name"][-2:]) == (str(job["slurm"]["job_id"]), "-2")
    assert world.alice.job(job_id)["state"] == "available"
    assert world.usable(job)
    world.end(job_id)
