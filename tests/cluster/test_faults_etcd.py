"""etcd loses its quorum; it forgets the history that a cut-off replica would have continued from."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from bwvisu.cli.local import free_port, until
from bwvisu.sandbox import Sandbox
from bwvisu.sandbox.etcd import healthy
from tests.support.chaos import GATEWAYS, Scene, etcdctl, scene, stopped, throughout
from tests.support.world import forwards, slurm_numbers

OUTAGE = 15
"""Three times the leader's lease, and etcd's own deadline of 3 s five times; seconds."""
MEMBERS = ("etcd1", "etcd2", "etcd3")


@pytest.fixture
def world(sandbox: Sandbox, tmp_path: Path) -> Iterator[Scene]:
    with scene(sandbox, tmp_path, "api", "keyhole") as world:
        yield world


def test_fault_12_without_quorum_nothing_new_begins_sessions_go_on_and_it_resumes_by_itself(
    world: Scene, sandbox: Sandbox
) -> None:
    world.lead("first")
    job = world.session()
    body = {"user": "alice", "application": "page", "parameters": {}}
    known, carried = slurm_numbers(sandbox), rules(sandbox)
    with stopped(sandbox, "etcd2", "etcd3"):
        refused = world.alice.client.post("/api/v1/jobs", json=body)
        assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
        assert int(refused.headers["Retry-After"]) > 0
        assert world.alice.client.get("/readyz").status_code == 503
        throughout(OUTAGE, lambda: world.usable(job), "the session is usable")
        assert world.alice.client.post("/api/v1/jobs", json=body).status_code == 503
        assert slurm_numbers(sandbox) <= known
        assert rules(sandbox) == carried
    until(lambda: world.alice.client.get("/readyz").status_code == 200, 90, "it is ready again")
    late = world.session()
    assert world.alice.job(job["id"])["state"] == "available"
    assert slurm_numbers(sandbox) - known == {str(late["slurm"]["job_id"])}, "the refused ones left nothing"
    world.in_order(job, late)
    world.end(job["id"], late["id"])


def rules(box: Sandbox) -> list[dict[int, str]]:
    """What both gateways carry."""
    return [forwards(box, gateway) for gateway in GATEWAYS]


def test_fault_13_history_that_was_compacted_while_a_replica_was_cut_off_is_read_anew(
    world: Scene, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The stopped replica's connections die with the members, which restart one by one; the other replica goes on."""
    port = free_port("127.0.0.1")
    world.lead("leader")
    frozen = world.service.start("api", "second", {"BWVISU_API__PORT": str(port)})
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=world.alice.client.headers, timeout=30) as replica:
        until(lambda: ready(replica), 120, "the second replica serves")
        old = world.session()
        world.service.signal("second", signal.SIGSTOP)
        for member in MEMBERS:
            with stopped(sandbox, member):
                pass
            until(lambda: healthy(sandbox.etcd), 90, "all members commit")
        new = world.session(seconds=90)
        world.alice.cancel(old["id"])
        world.alice.wait(old["id"], "finished")
        shown = json.loads(etcdctl(world.service, "endpoint", "status", "-w", "json"))
        etcdctl(world.service, "compact", "--physical", str(shown[0]["Status"]["header"]["revision"]))
        world.service.signal("second", signal.SIGCONT)
        until(lambda: state(replica, new["id"]) == "available", 90, "what began meanwhile is shown")
        assert state(replica, old["id"]) == "finished"
        spent = seconds_of(frozen)
        throughout(3, lambda: state(replica, new["id"]) == "available", "it is shown")
        assert seconds_of(frozen) - spent < 1.5, "no hot loop"
        # And it follows from there on.
        world.end(new["id"])
        until(lambda: state(replica, new["id"]) == "finished", 60, "its end is shown")


def ready(client: httpx2.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False


def state(client: httpx2.Client, job_id: str) -> str:
    shown = client.get(f"/api/v1/jobs/{job_id}")
    return str(shown.json()["state"]) if shown.status_code == 200 else ""


def seconds_of(pid: int) -> float:
    """Processor time that a process has used, by proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
