"""Slurm is away, forgets, hangs at the end of a job, loses a node or starts a job anew.

`sandbox` has the deadlines of `tests.support.chaos.SWIFT`; `hasty` is a cluster whose Slurm forgets ended jobs after
5 s and gives a silent node up after 5 s, where a real one takes five minutes for each.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from bwvisu.cli.local import until
from bwvisu.sandbox import Options, Sandbox
from tests.support.chaos import SWIFT, Scene, flows, grants, paused, processes, scene, send, stopped, throughout, viewer
from tests.support.cluster import remove
from tests.support.world import etcd_keys, forwards, slurm_jobs, states

LONGEST = 3
"""Seconds that any call of Slurm's commands may take under `SWIFT`."""
QUARANTINE = float(SWIFT["forwards"]["quarantine"])


@pytest.fixture(scope="module")
def world(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(sandbox, tmp_path_factory.mktemp("slurm"), "all") as world:
        world.lead()
        yield world


@pytest.fixture(scope="module")
def hasty() -> Iterator[Sandbox]:
    name = f"test-{os.getpid()}-hasty"
    try:
        yield Sandbox.up(Options(name=name, min_job_age=5, slurmd_timeout=5))
    finally:
        remove(name)


def unreachable(world: Scene) -> bool:
    """Whether the API shows that the cluster cannot be looked at."""
    return bool(world.alice.client.get("/api/v1/clusters/main").json()["detail"])


@pytest.mark.parametrize("away", [paused, stopped])
def test_fault_04_slurmctld_is_away_and_nothing_changes_until_it_is_back(
    world: Scene, sandbox: Sandbox, away: Callable[[Sandbox, str], AbstractContextManager[None]]
) -> None:
    job = world.session()
    save(sandbox, job)
    with away(sandbox, "slurmctld"):
        until(lambda: unreachable(world), 30, "the cluster is shown as unreachable")
        late = world.alice.submit()
        throughout(3 * LONGEST, lambda: world.usable(job), "the session is usable")
        assert unreachable(world)
        assert states(world.alice.job(job["id"])) == states(job)
        assert world.alice.job(late)["state"] == "accepted"
    until(lambda: answers(sandbox), 60, "slurmctld is back")
    job2 = world.alice.wait(late, "available", 60)
    assert not unreachable(world)
    assert states(world.alice.job(job["id"])) == states(job)
    world.in_order(job, job2)
    world.end(job["id"], late)


def save(box: Sandbox, job: dict[str, Any]) -> None:
    """Have slurmctld write its jobs down, which takes up to 5 s; killed before, it would not know young ones again."""
    box.run("ctl", ["touch", "/run/disk/mark"])
    box.run("ctl", ["scontrol", "update", f"job={job['slurm']['job_id']}", "comment=saved"])
    newer = ["find", "/run/disk/state/job_state", "-newer", "/run/disk/mark"]
    until(lambda: box.run("ctl", newer).stdout, 30, "slurmctld has saved its jobs")


def answers(box: Sandbox) -> bool:
    """Whether Slurm answers; slurmctld is started again where it died because its port was not free yet."""
    box.start("slurmctld")
    return box.run("cmd2", ["squeue"]).returncode == 0


def test_fault_06_jobs_that_ended_and_were_purged_while_nobody_led(hasty: Sandbox, tmp_path: Path) -> None:
    """Without accounting: what the job's own client has said decides; without that it is lost, and is told so in words.

    The page ends itself with 143 when it is asked to end.
    """
    with scene(hasty, tmp_path, "api", "keyhole") as world:
        world.lead("first")
        told, silent = world.session(), world.session()
        world.service.kill("first")
        cancel_there(hasty, told)
        until(lambda: "exited" in reports_of(world, told), 60, "its client has told of its end")
        world.service.kill("keyhole")
        cancel_there(hasty, silent)
        until(lambda: not any(in_squeue(hasty, job) for job in (told, silent)), 60, "Slurm has forgotten them")
        assert {world.alice.job(job["id"])["state"] for job in (told, silent)} == {"available"}
        world.lead("second")
        ends = [world.alice.wait(job["id"], "finished", 60) for job in (told, silent)]
        assert [(job["outcome"], job["exit_code"]) for job in ends] == [("failed", 143), ("lost", None)]
        assert "cannot say how it ended" in ends[1]["reason"]["message"]
        world.empty()


def cancel_there(box: Sandbox, job: dict[str, Any]) -> None:
    """By Slurm's own means, behind our back."""
    assert box.run("ctl", ["scancel", str(job["slurm"]["job_id"])]).returncode == 0


def reports_of(world: Scene, job: dict[str, Any]) -> set[str]:
    """What a job's client has told."""
    told = etcd_keys(world.service, "reports")
    return {json.loads(value)["event"] for key, value in told.items() if job["id"] in key}


def in_squeue(box: Sandbox, job: dict[str, Any]) -> bool:
    return bool(slurm_jobs(box, job["id"], ended=True))


def test_fault_09_a_node_that_hangs_in_completing_keeps_the_port_and_nothing_else(
    world: Scene, sandbox: Sandbox
) -> None:
    """The step's daemon is stopped, so that the application goes on and Slurm waits for its end."""
    job = world.session()
    (web,), slurm_id = job["services"], job["slurm"]["job_id"]
    node, gateway, port = web["internal_host"], web["gateway"], web["external_port"]
    with viewer(sandbox, job) as connected:
        steps = processes(sandbox, node, rf"^slurmstepd: \[{slurm_id}\.")
        send(sandbox, node, "STOP", steps)
        try:
            world.alice.cancel(job["id"])
            world.alice.wait(job["id"], "completing", 20)
            until(lambda: port not in forwards(sandbox, gateway), 10, "the rule is gone")
            until(lambda: not connected() and port not in flows(sandbox, gateway), 5, "the connection is cut")
            assert processes(sandbox, node, f"http.server.* {web['internal_port']}$"), "the application lives"
            throughout(3 * QUARANTINE, lambda: owned(world, port), "the port is owned")
            assert [row["state"] for row in slurm_jobs(sandbox, job["id"])] == ["COMPLETING"]
            other = world.session()
            assert (other["services"][0]["gateway"], other["services"][0]["external_port"]) != (gateway, port)
        finally:
            send(sandbox, node, "CONT", steps)
    assert world.alice.wait(job["id"], "finished")["outcome"] == "cancelled"
    world.in_order(other)
    world.end(other["id"])


def owned(world: Scene, port: int) -> bool:
    held = [each["external_port"] for grant in grants(world.service) for each in grant["forwards"]]
    return port in held


def test_fault_23_a_compute_node_dies(hasty: Sandbox, tmp_path: Path) -> None:
    with scene(hasty, tmp_path, "all") as world:
        world.lead()
        job = world.session()
        with stopped(hasty, job["slurm"]["nodes"][0]):
            ended = world.alice.wait(job["id"], "finished", 60)
            assert (ended["outcome"], ended["reason"]["code"]) == ("node_failed", "node-failed")
            world.empty()


def test_fault_23_a_requeued_job_gets_new_forwards_once_the_older_ones_are_closed(
    hasty: Sandbox, tmp_path: Path
) -> None:
    """As a site's policy may do in spite of ``--no-requeue``."""
    with scene(hasty, tmp_path, "all") as world:
        world.lead()
        job = world.session()
        slurm_id = str(job["slurm"]["job_id"])
        for change in (["update", f"job={slurm_id}", "Requeue=1"], ["requeue", slurm_id]):
            assert hasty.run("ctl", ["scontrol", *change]).returncode == 0
        until(lambda: states(world.alice.job(job["id"]))[-1] == "submitted", 20, "the requeue is seen")
        carried: set[int] = set()

        def again() -> bool:
            hasty.run("ctl", ["scontrol", "update", f"job={slurm_id}", "StartTime=now"])
            carried.add(sum(len(forwards(hasty, gateway)) for gateway in ("gw1", "gw2")))
            return bool(states(world.alice.job(job["id"]))[-1] == "available")

        until(again, 60, "it is available again")
        assert carried <= {0, 1}, "never both at once"
        (live,) = (grant for grant in grants(world.service) if grant["phase"] == "open")
        assert live["restart"] == 1
        new = world.alice.job(job["id"])
        assert world.usable(new)
        world.in_order(new)
        world.end(job["id"])
