"""Leaders and command nodes die at the worst moment; there is one Slurm job all the same.

Deadlines are those of `tests.support.chaos`: a silent leader is replaced after 5 s.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from signal import SIGCONT, SIGSTOP, SIGTERM

import pytest

from bwvisu.cli.local import LocalService, until
from bwvisu.sandbox import Sandbox
from keyhole.domain import Fence, Gateway
from keyhole.gateway import Fenced, Guard, look, read_look
from keyhole.interfaces import Answer
from tests.support.chaos import TTL, Scene, epoch, etcdctl, paused, record, scene, submitting, throughout
from tests.support.world import slurm_jobs, states

WHOLE = ["accepted", "submitted", "running", "available"]
Harm = Callable[[Sandbox], Callable[[], None]]


@pytest.fixture(scope="module")
def world(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The REST and keyhole roles; each test starts the reconcilers that it needs."""
    with scene(sandbox, tmp_path_factory.mktemp("failover"), "api", "keyhole") as world:
        yield world


@pytest.fixture(autouse=True)
def vacated(world: Scene) -> Iterator[None]:
    """Nobody leads after a test."""
    yield
    for name in ("first", "second"):
        with suppress(KeyError):
            world.service.stop(name)


def test_fault_01_a_node_dies_with_a_submission_in_flight_and_the_job_is_adopted_by_name(
    world: Scene, sandbox: Sandbox
) -> None:
    world.lead("first")
    with paused(sandbox, "slurmctld"):
        job_id, node = in_flight(world)
        sandbox.stop(node)
    try:
        job = world.alice.wait(job_id, "available", 120)
        world.in_order(job, node="cmd2" if node == "cmd1" else "cmd1")
    finally:
        sandbox.start(node)
    world.end(job_id)


def in_flight(world: Scene) -> tuple[str, str]:
    """A job whose sbatch waits for a slurmctld that is stopped, and the node where it does, for some seconds only."""
    job_id = world.alice.submit()
    nodes: list[str] = []

    def seen() -> bool:
        nodes.append(submitting(world.box, job_id))
        return nodes[-1] != ""

    until(seen, 60, "sbatch waits for slurmctld", every=0.02)
    return job_id, nodes[-1]


def test_fault_10_a_leader_killed_between_submit_and_answer(world: Scene, sandbox: Sandbox) -> None:
    """Its sbatch is ended by the command node's own deadline (fault 3), and has told Slurm of the job by then."""
    world.lead("first")
    with paused(sandbox, "slurmctld"):
        job_id, _ = in_flight(world)
        world.service.kill("first")
        until(lambda: not submitting(sandbox, job_id), 60, "the command node has ended sbatch")
    world.lead("second")
    job = world.alice.wait(job_id, "available", 90)
    assert states(job) == WHOLE
    assert slurm_jobs(sandbox, job_id)[0]["name"].endswith("-1")
    world.in_order(job)
    world.end(job_id)


@pytest.mark.parametrize("moment", range(0, 6, 2))
def test_fault_10_a_leader_killed_at_any_moment_of_a_submission(world: Scene, moment: int) -> None:
    """The kill comes when the n-th change of what is recorded of the job was seen after POST."""
    world.lead("first")
    job_id = world.alice.submit()
    until(lambda: changes(world.service, job_id) >= moment, 60, f"{moment} changes", every=0.001)
    world.service.kill("first")
    world.service.start("reconciler", "second")
    job = world.alice.wait(job_id, "available", 120)
    world.in_order(job)
    world.end(job_id)


def changes(service: LocalService, job_id: str) -> int:
    """How often etcd has taken something about a job since POST: also what came and went between two looks."""
    prefix = f"{service.settings['etcd']['prefix']}/v1/"
    kinds = tuple(f"{prefix}{kind}/" for kind in ("status", "requests", "forwards"))
    shown = json.loads(etcdctl(service, "get", "--prefix", prefix, "-w", "json"))
    records = [(base64.b64decode(each["key"]).decode(), each["version"]) for each in shown.get("kvs", ())]
    return sum(version for key, version in records if key.startswith(kinds) and job_id in key)


def test_fault_11_a_leader_that_was_stopped_for_longer_than_its_lease_does_no_harm(
    world: Scene, sandbox: Sandbox
) -> None:
    """It is stopped in the middle of a submission, for three leases, and comes back with the answer to it."""
    world.lead("first")
    old = epoch(world.service)
    world.service.start("reconciler", "second")
    with paused(sandbox, "slurmctld"):
        job_id, _ = in_flight(world)
        world.service.signal("first", SIGSTOP)
    job = world.alice.wait(job_id, "available", 90)
    new = epoch(world.service)
    assert new > old
    throughout(2 * TTL, lambda: epoch(world.service) == new, "the second one leads")
    world.service.signal("first", SIGCONT)
    for gateway in ("gw1", "gw2"):
        assert refused(world, gateway, old), f"{gateway} takes nothing of the old epoch"
    throughout(TTL, lambda: epoch(world.service) == new and world.usable(job), "nothing changes")
    assert states(world.alice.job(job_id)) == WHOLE
    world.in_order(job)

    # It has stepped down, and stands again.
    world.service.kill("second")
    until(lambda: epoch(world.service) > new, 60, "the first one leads again")
    late = world.session()
    world.in_order(job, late)
    world.end(job_id, late["id"])


def refused(world: Scene, gateway: str, old: int) -> bool:
    """Whether a gateway refuses a look by a leader of that epoch, run there as the leader would run it."""
    place = world.box.addresses[gateway]
    assert place.inner
    assert place.outer
    installation = json.loads(base64.b64decode(record(world.service, "installation")["value"]))["id"]
    call = look(Guard(Gateway(gateway, place.inner, place.outer), installation, Fence(1, old)), "none")
    done = world.box.run(gateway, ["/bin/sh", "-c", call.script, "sh", *call.args], user="bwvisu")
    return isinstance(read_look(Answer(done.returncode, done.stdout.encode(), b"")), Fenced)


def _dead(sandbox: Sandbox) -> Callable[[], None]:
    sandbox.stop("cmd1")
    return lambda: sandbox.start("cmd1")


def _no_sshd(sandbox: Sandbox) -> Callable[[], None]:
    sandbox.stop("cmd1:sshd")
    return lambda: sandbox.start("cmd1:sshd")


def _silent(sandbox: Sandbox) -> Callable[[], None]:
    sandbox.pause("cmd1")
    return lambda: sandbox.resume("cmd1")


def _cut_off(sandbox: Sandbox) -> Callable[[], None]:
    sandbox.partition("cmd1")
    return lambda: sandbox.heal("cmd1")


@pytest.mark.parametrize("harm", [_dead, _no_sshd, _silent, _cut_off])
def test_fault_27_the_second_command_node_takes_over_within_ten_seconds(
    world: Scene, sandbox: Sandbox, harm: Harm
) -> None:
    """`_silent`: it accepts connections and says nothing.  Ten seconds, and what this machine needs at other times."""
    world.lead("first")
    began = time.monotonic()
    first = world.alice.submit()
    until(lambda: world.alice.job(first)["slurm"], 60, "connections are open, node 1 is in use")
    usual = time.monotonic() - began
    mend = harm(sandbox)
    try:
        job_id = world.alice.submit()
        until(lambda: world.alice.job(job_id)["slurm"], 10 + 5 * usual, "the second node has submitted it")
        assert len(slurm_jobs(sandbox, job_id, ended=True)) == 1
    finally:
        mend()
    world.end(first, job_id)


def test_fault_33_sigterm_hands_over_at_once_and_available_jobs_notice_nothing(world: Scene, sandbox: Sandbox) -> None:
    """There is a submission in flight: its answer is abandoned, its job is not."""
    world.lead("first")
    early = world.session()
    world.service.start("reconciler", "second")
    old = epoch(world.service)
    with paused(sandbox, "slurmctld"):
        job_id, _ = in_flight(world)
        world.service.signal("first", SIGTERM)
        assert world.service.wait("first", 60) == 0
        assert epoch(world.service) != old, "the lease is released"
    late = world.alice.wait(job_id, "available", 90)
    assert states(world.alice.job(early["id"])) == WHOLE
    world.in_order(early, late)
    world.end(early["id"], job_id)
