"""Fault 35a on the real cluster: jobs that are called like ours and are not, and another installation beside ours."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bwvisu.cli.local import until
from bwvisu.sandbox import Sandbox
from tests.support.chaos import Scene, record, scene
from tests.support.world import leave_whole, slurm_jobs


@pytest.fixture
def ours(sandbox: Sandbox, tmp_path: Path) -> Iterator[Scene]:
    with scene(sandbox, tmp_path / "ours", "all") as world:
        yield world
        leave_whole(world.service, world.alice.client)


@pytest.fixture
def theirs(sandbox: Sandbox, tmp_path: Path) -> Iterator[Scene]:
    with scene(sandbox, tmp_path / "theirs", "all") as world:
        yield world
        leave_whole(world.service, world.alice.client)


def prank(box: Sandbox, user: str, name: str) -> str:
    """A Slurm job of somebody's own, with a name of their choice; its id."""
    wrapped = ["sbatch", "--parsable", f"--job-name={name}", "--output=/dev/null", "--wrap=sleep 600"]
    made = box.run("cmd1", wrapped, user=user)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def state(box: Sandbox, slurm_job: str) -> str:
    """Slurm's word for a job."""
    return box.run("cmd2", ["squeue", "-h", "-t", "all", "-j", slurm_job, "-o", "%T"]).stdout.strip()


def looked_again(world: Scene, times: int = 1) -> None:
    """Wait until the leader has seen the whole queue so many times more."""
    for _ in range(times):
        before = record(world.service, "clusters/main")["mod_revision"]
        until(lambda before=before: record(world.service, "clusters/main")["mod_revision"] > before, 60, "a look")  # type: ignore[misc]


def test_fault_35a_jobs_that_are_called_like_ours_are_neither_adopted_nor_touched(
    ours: Scene, sandbox: Sandbox
) -> None:
    job = ours.session()
    (mine,) = slurm_jobs(sandbox, job["id"])
    stem, _, attempt = mine["name"].rpartition("-")
    pranks = [
        prank(sandbox, "bob", mine["name"]),
        prank(sandbox, "alice", f"{stem}-{int(attempt) + 7}"),
        prank(sandbox, "alice", mine["name"].replace(job["id"], "01jd0000000000000000000000")),
    ]
    try:
        looked_again(ours, 2)
        assert [state(sandbox, each) in {"PENDING", "RUNNING"} for each in pranks] == [True] * len(pranks)
        shown = ours.alice.job(job["id"])
        assert (shown["state"], str(shown["slurm"]["job_id"])) == ("available", mine["id"])
        log = ours.service.folder / "all.log"
        until(lambda: all(f"{each} of " in log.read_text() for each in pranks), 30, "an administrator is told of each")
        ours.alice.cancel(job["id"])
        ours.alice.wait(job["id"], "finished")
        looked_again(ours)
        assert [state(sandbox, each) in {"PENDING", "RUNNING"} for each in pranks] == [True] * len(pranks)
    finally:
        for each in pranks:
            sandbox.run("cmd1", ["scancel", each])


def test_fault_35a_two_installations_on_one_cluster_leave_each_other_alone(ours: Scene, theirs: Scene) -> None:
    first, second = ours.session(), theirs.session()
    ours.alice.cancel(first["id"])
    ours.alice.wait(first["id"], "finished")
    assert theirs.usable(theirs.alice.job(second["id"]))
    looked_again(theirs)
    assert theirs.alice.job(second["id"])["state"] == "available"
    theirs.end(second["id"])
