"""Real faults on a sandbox cluster, and what must hold whatever is broken; both from outside of the service.

A `Scene` is one service with short deadlines and one person who uses it.  Its assertions read the world only: Slurm's
queue by squeue, rules and connections on the gateways, records by etcdctl, pages by a client beside the cluster.
"""

import base64
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bwvisu.cli.local import LocalService, merge, until
from bwvisu.sandbox import Sandbox
from tests.support.world import PORTS, Person, address, etcd_keys, fetch, forwards, service_in, slurm_jobs

SWIFT: dict[str, Any] = {
    "slurm": {"poll_interval": 1, "submit_timeout": 3, "look_timeout": 3, "call_timeout": 3},
    "ssh": {
        "connect_timeout": 2,
        "keepalive_interval": 1,
        "keepalive_count": 2,
        "backoff_first": 0.2,
        "backoff_limit": 0.5,
    },
    "forwards": {"quarantine": 2},
}
"""Deadlines of a cluster (seconds), a tenth of those of a real one, so that outages outlast them several times."""
TTL = 5
"""Seconds for which a silent leader keeps its office."""
GATEWAYS = ("gw1", "gw2")
LIVE = {"reserved", "open"}


@dataclass(frozen=True)
class Scene:
    """A service, its cluster, and alice."""

    service: LocalService
    alice: Person

    @property
    def box(self) -> Sandbox:
        """The cluster."""
        return self.service.box

    def lead(self, *names: str) -> None:
        """Start reconcilers and wait until one leads and has seen the whole queue."""
        for name in names:
            self.service.start("reconciler", name)
        until(lambda: leads(self.service), 120, "somebody leads")

    def session(self, application: str = "page", seconds: float = 90) -> dict[str, Any]:
        """A job whose page answers."""
        job = self.alice.wait(self.alice.submit(application), "available", seconds)
        assert self.usable(job)
        return job

    def usable(self, job: Mapping[str, Any]) -> bool:
        """Whether somebody outside reaches the job's page."""
        return "bwVisu test page" in fetch(self.box, address(job), seconds=10)

    def in_order(self, *jobs: Mapping[str, Any], node: str = "cmd2") -> None:
        """One Slurm job per accepted job, the one that the API shows; every gateway comes to carry what is wanted."""
        for job in jobs:
            (only,) = slurm_jobs(self.box, job["id"], ended=True, node=node)
            assert only["id"] == str(job["slurm"]["job_id"])
        until(lambda: self.in_step(*GATEWAYS), 30, "what the books closed meanwhile is gone from the gateways")

    def in_step(self, *gateways: str) -> bool:
        """Whether these gateways carry exactly what the books want."""
        return all(forwards(self.box, gateway) == wanted(self.service, gateway) for gateway in gateways)

    def end(self, *job_ids: str, seconds: float = 90) -> None:
        """Cancel jobs; nothing is left of any: no Slurm job, no rule, no connection, no record of a port."""
        for job_id in job_ids:
            self.alice.cancel(job_id)
        for job_id in job_ids:
            self.alice.wait(job_id, "finished", seconds)
            assert not slurm_jobs(self.box, job_id)
        self.empty()

    def empty(self, seconds: float = 90) -> None:
        """Wait until no port is owned; no gateway then holds a rule or a translated connection."""
        until(lambda: not etcd_keys(self.service, "forwards"), seconds, "all ports are free")
        for gateway in GATEWAYS:
            assert not forwards(self.box, gateway)
            assert not flows(self.box, gateway)


@contextmanager
def scene(
    box: Sandbox, folder: Path, *roles: str, cluster: Mapping[str, Any] | None = None, **top: Any
) -> Iterator[Scene]:
    """A service with short deadlines; ``roles`` run, each as a process of its own."""
    settings = {"leader": {"ttl": TTL}, **top}
    with service_in(box, folder, merge(SWIFT, cluster or {}), **settings) as service, service.client() as client:
        for role in roles:
            service.start(role)
        service.wait_until_ready(120)
        yield Scene(service, Person(client))


def gateway_of(job: Mapping[str, Any]) -> str:
    """Which gateway carries a job's first service."""
    return str(job["services"][0]["gateway"])


def another(gateway: str) -> str:
    """The other one."""
    (other,) = set(GATEWAYS) - {gateway}
    return other


# ---- reading the world ------------------------------------------------------------------------------------------


def leads(service: LocalService) -> bool:
    """Whether the present leader has seen the whole queue."""
    office, cluster = record(service, "leader"), record(service, "clusters/main")
    if not office or not cluster or cluster["mod_revision"] < office["create_revision"]:
        return False
    view = json.loads(base64.b64decode(cluster["value"]))
    return bool(view["looked_at"] and not view["detail"])


def epoch(service: LocalService) -> int:
    """The present leader's epoch; 0 while nobody leads."""
    return int(record(service, "leader").get("create_revision", 0))


def record(service: LocalService, key: str) -> dict[str, Any]:
    """A key of this service with its revisions and its value in base64, as etcdctl shows it; empty: it is not there."""
    shown = json.loads(etcdctl(service, "get", f"{service.settings['etcd']['prefix']}/v1/{key}", "-w", "json"))
    return dict(shown["kvs"][0]) if "kvs" in shown else {}


def etcdctl(service: LocalService, *arguments: str) -> str:
    """What etcdctl prints."""
    argv, environment = service.box.etcd.etcdctl()
    command = [*argv, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=20).stdout


def grants(service: LocalService) -> list[dict[str, Any]]:
    """Every grant in the books, as stored."""
    return [grant for record in etcd_keys(service, "forwards").values() for grant in json.loads(record)["grants"]]


def wanted(service: LocalService, gateway: str) -> dict[int, str]:
    """What the books want a gateway to carry: port -> address:port."""
    return {
        each["external_port"]: f"{each['internal_address']}:{each['internal_port']}"
        for grant in grants(service)
        if grant["gateway"] == gateway and grant["phase"] in LIVE
        for each in grant["forwards"]
    }


def flows(box: Sandbox, gateway: str) -> list[int]:
    """Ports of our block for each connection that a gateway's kernel translates, whatever the rules say now."""
    shown = box.run(gateway, ["conntrack", "-L", "-p", "tcp", "--dst-nat"]).stdout.splitlines()
    ports = [int(line.partition(" dport=")[2].partition(" ")[0]) for line in shown]
    return [port for port in ports if PORTS[0] <= port <= PORTS[1]]


def processes(box: Sandbox, node: str, pattern: str) -> list[str]:
    """Ids, on a node, of processes whose command line matches."""
    return box.run(node, ["pgrep", "-f", pattern]).stdout.split()


def submitting(box: Sandbox, job_id: str) -> str:
    """The command node that runs an sbatch for this job; empty: none does."""
    return next((node for node in ("cmd1", "cmd2") if processes(box, node, f"^sbatch.*{job_id}")), "")


@contextmanager
def viewer(box: Sandbox, job: Mapping[str, Any]) -> Iterator[Callable[[], bool]]:
    """Somebody outside who is connected to a job's page and never stops talking; gives whether he still is."""
    place = job["services"][0]
    argv = ["/usr/bin/python3", "-I", "-c", _VIEWER, place["external_host"], str(place["external_port"])]
    with box.popen("outside", argv, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "connected\n"
        try:
            yield lambda: client.poll() is None
        finally:
            client.kill()


_VIEWER = """
import contextlib, socket, sys
line = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30)
line.settimeout(0.1)
line.sendall(b"GET / HTTP/1.1\\r\\nX-Long: ")
print("connected", flush=True)
with contextlib.suppress(ConnectionError):
    while True:
        try:
            if not line.recv(1):
                break
        except TimeoutError:
            line.sendall(b".")
"""


def throughout(seconds: float, condition: Callable[[], object], what: str) -> None:
    """Assert that a condition holds at every look for so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"not any more: {what}"
        time.sleep(0.2)


# ---- breaking it ------------------------------------------------------------------------------------------------


@contextmanager
def paused(box: Sandbox, target: str) -> Iterator[None]:
    """SIGSTOP a host or a daemon; SIGCONT at the end, whatever happened."""
    box.pause(target)
    try:
        yield
    finally:
        box.resume(target)


@contextmanager
def stopped(box: Sandbox, *targets: str) -> Iterator[None]:
    """SIGKILL hosts or daemons; started again at the end."""
    for target in targets:
        box.stop(target)
    try:
        yield
    finally:
        for target in targets:
            box.start(target)


@contextmanager
def cut_off(box: Sandbox, host: str, leg: str | None = None) -> Iterator[None]:
    """Pull cables; plugged in again at the end."""
    box.partition(host, leg)
    try:
        yield
    finally:
        box.heal(host, leg)


@contextmanager
def ambush(box: Sandbox, node: str, pattern: str, number: signal.Signals) -> Iterator[Callable[[], str]]:
    """Signal the first process of a node whose command line matches, within about a millisecond of its birth.

    Gives a function that waits for that, a minute at most; it answers the process's id there, or nothing.
    """
    # Real-time: before all others of a busy machine, for some lives that it must not miss last for milliseconds.
    argv = ["timeout", "60", "chrt", "--fifo", "1", "/usr/bin/python3", "-I", "-c", _AMBUSH, pattern, str(int(number))]
    with box.popen(node, argv, stdout=subprocess.PIPE) as watcher:
        lines = watcher.stdout
        assert lines is not None
        assert lines.readline() == "ready\n"
        try:
            yield lambda: lines.readline().strip()
        finally:
            watcher.terminate()


_AMBUSH = """
import os, re, sys
pattern = re.compile(sys.argv[1])
print("ready", flush=True)
while True:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                found = pattern.search(file.read().replace("\\0", " "))
        except OSError:
            continue
        if found and int(pid) != os.getpid():
            os.kill(int(pid), int(sys.argv[2]))
            sys.exit(print(pid, flush=True))
"""


def send(box: Sandbox, node: str, number: str, pids: Sequence[str]) -> None:
    """Signal processes of a node by their ids there."""
    assert pids, f"nothing to send {number} to on {node}"
    assert box.run(node, ["kill", f"-{number}", *pids]).returncode == 0
