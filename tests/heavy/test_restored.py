"""etcd is lost and restored from ``bwvisu state backup``, on the real cluster: three members over TLS."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from bwvisu.cli.local import LocalService, until
from bwvisu.sandbox import Options, Sandbox
from bwvisu.sandbox.etcd import healthy, member_argv
from tests.support.chaos import Scene, epoch, scene
from tests.support.world import slurm_jobs

MEMBERS = ("etcd1", "etcd2", "etcd3")
DATA = "/run/disk/data"
ROLES = ("api", "keyhole")


def bwvisu(service: LocalService, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The administrator's command line."""
    command = [sys.executable, "-m", "bwvisu", *arguments, "--config", str(service.config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def as_root(box: Sandbox, host: str, argv: list[str]) -> None:
    """Run a program on a host; it must do as it was told."""
    done = box.run(host, argv)
    assert done.returncode == 0, done.stderr


def lose_and_restore(box: Sandbox, backup: Path) -> None:
    """As docs/virtual-machine.md says: all members stopped, their data gone, each restored from the same file."""
    for member in MEMBERS:
        box.stop(f"{member}:etcd")
    for member in MEMBERS:
        argv = dict(zip(own := member_argv(box.topology, member), own[1:], strict=False))
        kept = ("--name", "--initial-cluster", "--initial-cluster-token", "--initial-advertise-peer-urls", "--data-dir")
        options = [word for option in kept for word in (option, argv[option])]
        shutil.copy(backup, box.folder / "hosts" / member)
        as_root(box, member, ["rm", "-rf", DATA])
        file = f"/run/disk/{backup.name}"
        as_root(box, member, ["env", "ETCDCTL_API=3", "etcdctl", "snapshot", "restore", file, *options])
    for member in MEMBERS:
        box.start(f"{member}:etcd")
    until(lambda: healthy(box.etcd), 90, "all members commit")


def position(world: Scene) -> str:
    """The id of the newest event of a stream."""
    with world.alice.client.stream("GET", "/api/v1/events") as stream:
        return next(line.removeprefix("id: ") for line in stream.iter_lines() if line.startswith("id: "))


def resumed(world: Scene, last_id: str) -> tuple[str, Any]:
    """What a stream that goes on from there is told first."""
    with world.alice.client.stream("GET", "/api/v1/events", headers={"Last-Event-ID": last_id}) as stream:
        lines = stream.iter_lines()
        event = next(line.removeprefix("event: ") for line in lines if line.startswith("event: "))
        return event, json.loads(next(line.removeprefix("data: ") for line in lines if line.startswith("data: ")))


def test_fault_35a_gateways_and_event_streams_go_on_after_a_restore(spare: str, tmp_path: Path) -> None:
    with Sandbox.up(Options(name=spare, etcd=3)) as box, scene(box, tmp_path / "service", *ROLES) as world:
        backup = tmp_path / "bwvisu.snapshot"
        world.lead("first")
        old = world.session()
        done = bwvisu(world.service, "state", "backup", str(backup))
        assert done.returncode == 0, done.stderr
        late = world.session()
        before = epoch(world.service)
        world.service.stop("first")
        world.lead("second")
        assert epoch(world.service) > before
        newest = position(world)
        refused = bwvisu(world.service, "state", "restored")
        assert (refused.returncode, "stop all roles" in refused.stderr) == (3, True)
        for name in ("second", *ROLES):
            world.service.stop(name)

        lose_and_restore(box, backup)
        assert epoch(world.service) in {0, before}, "the office of the backup"
        told = json.loads(bwvisu(world.service, "state", "restored", "--json").stdout)
        assert (told["before"], told["jobs"], told["in_doubt"], told["unreadable"]) == (1, 1, [], [])
        for role in ROLES:
            world.service.start(role)
        world.service.wait_until_ready(120)
        world.lead("third")

        assert resumed(world, newest) == ("resync", {"reason": "other-generation"})
        until(lambda: world.alice.job(old["id"])["state"] == "available", 60, "the job of the backup is available")
        assert world.usable(old)
        assert world.alice.client.get(f"/api/v1/jobs/{late['id']}").status_code == 404
        (stray,) = slurm_jobs(box, late["id"])
        until(lambda: f"{late['id']}" in world.service.log_tail(1000), 30, "the late one is told of")
        new = world.session()
        world.in_order(old, new)
        as_root(box, "cmd2", ["scancel", stray["id"]])  # as docs/operations.md says: by hand
        world.end(old["id"], new["id"])
