"""The world as it is seen from outside the service: Slurm's queue, gateways' rules, etcd's keys, pages."""

import re
import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from bwvisu.cli.local import LocalService, shipped_applications, until
from bwvisu.sandbox import Sandbox

QUARANTINE = 5
PORTS = (50000, 50999)


def service_in(
    box: Sandbox,
    folder: Path,
    cluster: Mapping[str, Any] | None = None,
    people: Sequence[str] = (),
    **top: Any,
) -> LocalService:
    """A service of its own in a shared cluster: its own keys in etcd, so its own installation; a short quarantine.

    ``people`` may sign in at its portal.
    """
    cluster = dict(cluster or {})
    cluster["forwards"] = {"quarantine": QUARANTINE, "port_range": list(PORTS), **cluster.get("forwards", {})}
    etcd = {"prefix": f"/test-{secrets.token_hex(4)}"}
    top = {"applications": {"path": str(shipped_applications())}, "etcd": etcd, **top}
    return LocalService(box, folder, cluster=cluster, top=top, people=people)


class Person:
    """Somebody who uses the REST API."""

    def __init__(self, client: httpx2.Client, user: str = "alice") -> None:
        self.client = client
        self.user = user

    def submit(self, application: str = "page", **parameters: Any) -> str:
        """Start a job; its id."""
        body = {"user": self.user, "application": application, "parameters": parameters}
        response = self.client.post("/api/v1/jobs", json=body)
        assert response.status_code == 201, response.text
        assert states(response.json())[0] == "accepted"  # the leader may have gone on while the answer was written
        return str(response.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as it is now."""
        response = self.client.get(f"/api/v1/jobs/{job_id}")
        assert response.status_code == 200, response.text
        return dict(response.json())

    def access(self, job_id: str) -> dict[str, Any]:
        """Address and password of an available job."""
        response = self.client.get(f"/api/v1/jobs/{job_id}/access")
        assert response.status_code == 200, response.text
        return dict(response.json())

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Stop a job."""
        response = self.client.delete(f"/api/v1/jobs/{job_id}")
        assert response.status_code == 202, response.text
        return dict(response.json())

    def wait(self, job_id: str, state: str, seconds: float = 90) -> dict[str, Any]:
        """Wait for a state that stays until somebody changes it; an end that was not waited for fails at once.

        Not for one that the job only passes through: between two looks it may have come and gone.
        """
        last: dict[str, Any] = {}

        def reached() -> bool:
            last.update(self.job(job_id))
            assert state == "finished" or last["state"] != "finished", last
            return bool(last["state"] == state)

        until(reached, seconds, f"job {job_id} is {state}; it is {last}")
        return last


@dataclass(frozen=True)
class OpenJob:
    """An available job and what opens it."""

    id: str
    node: str
    url: str = field(repr=False)
    """Of its page, with the password where the application wants it in the fragment."""
    password: str = field(repr=False)
    form: Mapping[str, Any] | None = field(repr=False)
    """What a portal posts where the application is opened so: ``action`` and ``fields``."""


@contextmanager
def opened(person: Person, application: str, **parameters: Any) -> Iterator[OpenJob]:
    """A job of a person, from available to finished."""
    job = person.wait(person.submit(application, minutes=5, **parameters), "available")
    access = person.access(job["id"])
    yield OpenJob(job["id"], job["slurm"]["nodes"][0], access["url"], access["password"], access["form"])
    person.cancel(job["id"])
    person.wait(job["id"], "finished")


def leave_whole(service: LocalService, client: httpx2.Client) -> None:
    """End every job and wait until no port is owned: others use the cluster after us, and read all rules on it."""

    def unfinished() -> list[str]:
        listed = client.get("/api/v1/jobs", params={"limit": 500}).json()["items"]
        return [job["id"] for job in listed if job["state"] != "finished"]

    for job_id in unfinished():
        client.delete(f"/api/v1/jobs/{job_id}")
    until(lambda: not unfinished() and not etcd_keys(service, "forwards"), 90, "nothing is left", every=0.5)


def states(job: Mapping[str, Any]) -> list[str]:
    """The states that a job has gone through."""
    return [moment["state"] for moment in job["timeline"]]


def fetch(box: Sandbox, url: str, *, node: str = "outside", seconds: float = 5) -> str:
    """GET by a program on a host of the cluster; the body, or an empty text where there was no answer."""
    code = (
        "import sys, urllib.request as u\n"
        "print(u.urlopen(sys.argv[1], timeout=float(sys.argv[2])).read().decode(), end='')"
    )
    return box.run(node, ["/usr/bin/python3", "-c", code, url, str(seconds)]).stdout


def address(job: Mapping[str, Any], index: int = 0) -> str:
    """Where users reach a service of a job."""
    found = job["services"][index]
    return f"http://{found['external_host']}:{found['external_port']}"


def slurm_jobs(box: Sandbox, job_id: str, *, ended: bool = False, node: str = "cmd2") -> list[dict[str, str]]:
    """Slurm jobs whose name holds a job's id, as squeue shows them; ``ended``: those that are over, too."""
    which = ["-t", "all"] if ended else []
    shown = box.run(node, ["squeue", "-h", *which, "-o", "%i|%u|%T|%j"])
    assert shown.returncode == 0, shown.stderr
    # Another test's job may have a name of several lines: those that follow the first are no rows.
    rows = [row for line in shown.stdout.splitlines() if len(row := line.split("|", 3)) == 4]
    return [dict(zip(("id", "user", "state", "name"), row, strict=True)) for row in rows if job_id in row[3]]


@contextmanager
def partition(box: Sandbox, name: str, *options: str) -> Iterator[None]:
    """A further partition of Slurm's for a while, of node3; ``options`` as scontrol takes them."""
    made = box.run("ctl", ["scontrol", "create", f"PartitionName={name}", "Nodes=node3", *options])
    assert made.returncode == 0, made.stderr
    try:
        yield
    finally:
        gone = box.run("ctl", ["scontrol", "delete", f"PartitionName={name}"])
        assert gone.returncode == 0, gone.stderr


def slurm_numbers(box: Sandbox) -> set[str]:
    """Numbers of all jobs that Slurm knows, whosever.

    Ended ones leave it at any moment, MinJobAge after their end: compare for what has come, never for equality.
    """
    shown = box.run("cmd2", ["squeue", "-h", "-t", "all", "-o", "%i"])
    assert shown.returncode == 0, shown.stderr
    return set(shown.stdout.split())


def forwards(box: Sandbox, gateway: str) -> dict[int, str]:
    """What a gateway does with ports of our block, whosever rules and whichever packet filter: port -> address:port."""
    nft = box.run(gateway, ["nft", "list", "ruleset"]).stdout
    iptables = box.run(gateway, ["iptables-save", "-t", "nat"]).stdout
    found = [
        *re.findall(r"\b(\d+) : ([\d.]+) \. (\d+)", nft),
        *re.findall(r"--dport (\d+) .*--to-destination ([\d.]+):(\d+)", iptables),
    ]
    return {int(port): f"{host}:{inner}" for port, host, inner in found if PORTS[0] <= int(port) <= PORTS[1]}


def etcd_keys(service: LocalService, kind: str) -> dict[str, str]:
    """Keys and values of one kind in this service's part of etcd, as etcdctl shows them."""
    argv, environment = service.box.etcd.etcdctl()
    prefix = f"{service.settings['etcd']['prefix']}/v1/{kind}/"
    shown = subprocess.run(
        [*argv, "get", "--prefix", prefix], env=environment, capture_output=True, text=True, check=True, timeout=20
    ).stdout.splitlines()
    return dict(zip(shown[::2], shown[1::2], strict=False))
