"""The chart's own etcd: real members start with the very commands of the manifests, and its backup can be restored."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from scripts.chart import Release
from tests.chart.manifests import Object, containers, only, pods
from tests.support.etcd import make_certificates
from tests.support.waiting import until

MEMBERS = tuple(f"bwvisu-etcd-{number}" for number in range(3))
NAMES = tuple(f"{member}.bwvisu-etcd.hpc.svc" for member in MEMBERS)
HOLD = 'ip link set lo up; mount --bind "$1" /etc/hosts; echo ready; exec sleep infinity'
WRITE = """
import asyncio, sys
from pathlib import Path
from bwvisu.adapters.etcd import Absent, Put
from bwvisu.roles.base import open_store
from bwvisu.settings import load

async def main():
    async with open_store(load(Path(sys.argv[1])).etcd) as store:
        await store.commit([Absent("/bwvisu/probe")], [Put("/bwvisu/probe", b"here")])
        print((await store.get("/bwvisu/probe")).value.decode())

asyncio.run(main())
"""


@dataclass(slots=True)
class Place:
    """A network namespace in which the members' names are loopback addresses, and the pods' folders lie below one."""

    folder: Path
    holder: int
    members: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def here(self, text: str) -> str:
        """A word of a pod's command, with this place's paths."""
        for path in ("/etc/etcd/server", "/etc/bwvisu/files/etcd-client", "/var/lib/etcd", "/backup"):
            text = text.replace(path, f"{self.folder}{path}")
        return text

    def inside(self, *argv: str) -> list[str]:
        """A command line that runs in this place."""
        return ["nsenter", f"--target={self.holder}", "--net", "--mount", "--root", *map(self.here, argv)]

    def run(self, *argv: str) -> str:
        """What a command prints; raises where it fails."""
        environment = {**os.environ, "ETCDCTL_API": "3"}
        done = subprocess.run(
            self.inside(*argv), check=False, capture_output=True, text=True, env=environment, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, member: str, command: list[str]) -> None:
        """A member as the StatefulSet starts it, on an address of its own and with a folder of its own."""
        address = f"127.0.0.{MEMBERS.index(member) + 1}"
        argv = [word.replace("$(POD_NAME)", member).replace("0.0.0.0", address) for word in command]  # noqa: S104
        argv = [word.replace("/var/lib/etcd/", f"/var/lib/etcd/{member}/") for word in argv]
        with (self.folder / f"{member}.log").open("wb") as log:
            self.members[member] = subprocess.Popen(self.inside(*argv), stdout=log, stderr=log)

    def is_healthy(self, member: str, path: str) -> bool:
        """What a probe sees."""
        url = f"http://127.0.0.{MEMBERS.index(member) + 1}:2381{path}"
        done = subprocess.run(self.inside("curl", "--silent", "--fail", url), check=False, capture_output=True)
        return done.returncode == 0


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    for folder in ("etc/etcd/server", "etc/bwvisu/files/etcd-client", "var/lib/etcd", "backup"):
        (tmp_path / folder).mkdir(parents=True)
    tls = make_certificates(tmp_path, ",".join(f"DNS:{name}" for name in NAMES))
    for folder, name in (("etc/etcd/server", "server"), ("etc/bwvisu/files/etcd-client", "client")):
        (tmp_path / folder / "ca.crt").write_bytes((tls.ca_file or Path()).read_bytes())
        (tmp_path / folder / "tls.crt").write_bytes((tmp_path / f"{name}.pem").read_bytes())
        (tmp_path / folder / "tls.key").write_bytes((tmp_path / f"{name}.key").read_bytes())
    hosts = tmp_path / "hosts"
    hosts.write_text("".join(f"127.0.0.{number} {name}\n" for number, name in enumerate(NAMES, 1)))
    argv = ["unshare", "--net", "--mount", "sh", "-euc", HOLD, "place", str(hosts)]
    with ExitStack() as stack:
        holder = stack.enter_context(subprocess.Popen(argv, stdout=subprocess.PIPE))
        stack.callback(holder.kill)
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        made = Place(tmp_path, holder.pid)
        yield made
        for process in made.members.values():
            process.send_signal(signal.SIGKILL)
            process.wait()


def commands(release: Release) -> tuple[Object, list[str], Object]:
    """The member's container, the command that saves, and the container that throws old ones away."""
    save, keep = containers(pods(release)["etcd-backup"])
    (member,) = containers(pods(release)["etcd"])
    return member, [word.replace("$(POD_NAME)", "newest") for word in save["command"]], keep


def test_members_meet_the_roles_use_them_and_a_snapshot_is_whole(judged: Mapping[str, Release], place: Place) -> None:
    release = judged["high-availability"]
    member, save, keep = commands(release)
    for name in MEMBERS:
        place.start(name, member["command"])
    probes = [member[kind]["httpGet"]["path"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")]
    for name in MEMBERS:
        for path in probes:
            until(partial(place.is_healthy, name, path), 30, f"{name} answers {path}")

    settings = place.folder / "bwvisu.yaml"
    settings.write_text(place.here(only(release, "ConfigMap", "settings")["data"]["bwvisu.yaml"]))
    assert place.run(sys.executable, "-c", WRITE, str(settings)) == "here\n"

    backup = place.folder / "backup"
    for number in range(80):
        (backup / f"old-{number}.db").write_bytes(b"old")
        os.utime(backup / f"old-{number}.db", (number, number))
    place.run(*save)
    assert "72 kept" in place.run(sys.executable, "-c", *keep["args"])
    kept = {path.name for path in backup.iterdir()}
    assert kept == {"newest.db", *(f"old-{number}.db" for number in range(9, 80))}
    place.run("etcdctl", "snapshot", "restore", "/backup/newest.db", "--data-dir=/var/lib/etcd/restored")


def test_without_a_certificate_nobody_is_let_in(judged: Mapping[str, Release], place: Place) -> None:
    member, *_ = commands(judged["high-availability"])
    place.start(MEMBERS[0], member["command"])
    place.start(MEMBERS[1], member["command"])
    until(lambda: place.is_healthy(MEMBERS[0], "/health"), 30, "two of three are a majority")
    ask = ["curl", "--silent", "--cacert", "/etc/etcd/server/ca.crt", f"https://{NAMES[0]}:2379/version"]
    done = subprocess.run(place.inside(*ask), check=False, capture_output=True, text=True)
    assert (done.returncode != 0, done.stdout) == (True, "")  # why, a TLS 1.3 client may learn too late to tell
    proof = ["--cert", "/etc/bwvisu/files/etcd-client/tls.crt", "--key", "/etc/bwvisu/files/etcd-client/tls.key"]
    assert "etcdserver" in place.run(*ask, *proof)
