"""Who is connected, and jobs that are stopped because nobody is: real connections, real silence, a pulled cable."""

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bwvisu.cli.local import LocalService, until
from bwvisu.sandbox import Sandbox
from tests.support.traffic import GATEWAYS, Visitor
from tests.support.world import Person, address, fetch, forwards, leave_whole, service_in

WARNING = 20
"""Seconds between the warning and the stop; the stop comes a minute after the last activity."""
_STREAM = """
import os, socket, time
door = socket.create_server(("", int(os.environ["KEYHOLE_PORT0"])))
door.setblocking(False)
guests = []
while True:
    time.sleep(0.5)
    try:
        guests.append(door.accept()[0])
    except BlockingIOError:
        pass
    for guest in list(guests):
        try:
            guest.sendall(b"picture\\n")
        except OSError:
            guests.remove(guest)
"""
STREAM = f"exec python3 -c {shlex.quote(f'exec({_STREAM!r})')}"
"""As a desktop that moves: whoever is connected is sent something all the time."""


@pytest.fixture(scope="module")
def service(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    applications = {"path": str(Path(__file__).parent.parent / "support" / "templates")}
    cluster = {
        "forwards": {"activity": {"interval": 1, "record_every": 5}},
        "limits": {"idle_stop": {"minimum": 60, "warning": WARNING}},
    }
    folder = tmp_path_factory.mktemp("idle")
    with service_in(sandbox, folder, cluster, applications=applications) as service:
        service.start()
        service.wait_until_ready(120)
        yield service


@pytest.fixture(scope="module")
def alice(service: LocalService) -> Iterator[Person]:
    with service.client() as client:
        yield Person(client)
        leave_whole(service, client)


def start(alice: Person, application: str, idle_stop: int | None = None, **parameters: Any) -> str:
    body = {"user": "alice", "application": application, "parameters": parameters, "idle_stop_minutes": idle_stop}
    answer = alice.client.post("/api/v1/jobs", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def service_of(alice: Person, job_id: str) -> dict[str, Any]:
    (only,) = alice.job(job_id)["services"]
    return dict(only)


def place(job: dict[str, Any]) -> str:
    return address(job).removeprefix("http://")


@contextmanager
def watching(box: Sandbox, where: str) -> Iterator[subprocess.Popen[str]]:
    """A viewer outside that only looks: it never sends anything."""
    host, _, port = where.partition(":")
    code = "import socket, sys\nfor line in socket.create_connection(sys.argv[1:]).makefile(): print(line, flush=True)"
    process = box.popen("outside", ["/usr/bin/python3", "-c", code, host, port], stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def test_a_connection_is_seen_to_come_to_be_used_and_to_go_and_probes_are_none(alice: Person, sandbox: Sandbox) -> None:
    foreign = "-p tcp -m tcp --dport 9999 -j REDIRECT --to-ports 22"
    for gateway in GATEWAYS:
        sandbox.run(gateway, ["iptables", "-t", "nat", "-A", "PREROUTING", *foreign.split()]).check_returncode()
    job = alice.wait(start(alice, "listener"), "available")
    until(lambda: service_of(alice, job["id"])["connections"] == 0, 30, "it is looked at")
    quiet = service_of(alice, job["id"])
    assert (quiet["bytes_in"], quiet["bytes_out"], quiet["last_active_at"]) == (0, 0, None)  # probed twice a second

    with Visitor(sandbox, [place(job)]):
        until(lambda: service_of(alice, job["id"])["connections"] == 1, 30, "it is seen")
        until(lambda: service_of(alice, job["id"])["bytes_in"] > 0, 30, "it is counted")
        (cluster,) = alice.client.get("/api/v1/clusters").json()["items"]
        assert sum(gateway["connections"] for gateway in cluster["gateways"]) == 1
        shown = alice.client.get("/metrics").text
        (line,) = (row for row in shown.splitlines() if row.startswith("bwvisu_gateway_connections") and "1.0" in row)
        assert quiet["gateway"] in line
    until(lambda: service_of(alice, job["id"])["connections"] == 0, 30, "it is gone")
    before = service_of(alice, job["id"])
    fetch(sandbox, address(job), seconds=1)
    until(lambda: service_of(alice, job["id"])["bytes_in"] > before["bytes_in"], 30, "a short request is counted, too")
    assert service_of(alice, job["id"])["last_active_at"]
    assert alice.job(job["id"])["idle"] is None
    alice.cancel(job["id"])
    alice.wait(job["id"], "finished")
    for gateway in GATEWAYS:
        assert foreign in sandbox.run(gateway, ["iptables-save", "-t", "nat"]).stdout
        sandbox.run(gateway, ["iptables", "-t", "nat", "-D", "PREROUTING", *foreign.split()]).check_returncode()


def test_an_idle_job_is_warned_kept_and_stopped_while_a_watched_one_lives_until_its_viewer_vanishes(
    alice: Person, sandbox: Sandbox
) -> None:
    idle = alice.wait(start(alice, "listener", 1), "available")
    watched = alice.wait(start(alice, "served", 1, line=STREAM, minutes=30), "available")
    with watching(sandbox, place(watched)):
        until(lambda: alice.job(idle["id"])["idle"]["warned"], 90, "its owner is warned")
        warned = alice.job(idle["id"])
        assert warned["state"] == "available"
        assert warned["idle"]["stops_at"] > warned["idle"]["since"]

        kept = alice.client.post(f"/api/v1/jobs/{idle['id']}/keep")
        assert (kept.status_code, kept.json()["idle"]["warned"]) == (200, False)
        until(lambda: alice.job(idle["id"])["idle"]["warned"], 90, "its owner is warned again")

        over = alice.wait(idle["id"], "finished", 90)
        assert (over["outcome"], over["reason"]["code"]) == ("cancelled", "idle")
        assert "nobody" in over["reason"]["message"]
        late = alice.client.post(f"/api/v1/jobs/{idle['id']}/keep")
        assert (late.status_code, late.json()["type"]) == (409, "/problems/not-keepable")

        lives = alice.job(watched["id"])
        assert (lives["state"], lives["idle"]["warned"]) == ("available", False)
        assert lives["services"][0]["connections"] == 1
        assert lives["idle"]["since"] > warned["idle"]["stops_at"]

        sandbox.partition("outside")
        try:
            over = alice.wait(watched["id"], "finished", 150)
        finally:
            sandbox.heal("outside")
    assert (over["outcome"], over["reason"]["code"]) == ("cancelled", "idle")
    until(lambda: not any(forwards(sandbox, gateway) for gateway in GATEWAYS), 60, "no rule is left")


def test_where_bytes_are_not_counted_that_is_said_and_nobody_is_stopped(alice: Person, sandbox: Sandbox) -> None:
    for gateway in GATEWAYS:
        sandbox.run(gateway, ["sysctl", "-w", "net.netfilter.nf_conntrack_acct=0"]).check_returncode()
    try:
        job = alice.wait(start(alice, "listener", 1), "available")
        until(lambda: alice.job(job["id"])["idle"]["since"] is None, 30, "it cannot be told")
        with Visitor(sandbox, [place(job)]):
            until(lambda: service_of(alice, job["id"])["connections"] == 1, 30, "connections are known")
            told = service_of(alice, job["id"])
            assert (told["bytes_in"], told["last_active_at"]) == (None, None)
        (cluster,) = alice.client.get("/api/v1/clusters").json()["items"]
        assert all("nf_conntrack_acct=1" in gateway["detail"] for gateway in cluster["gateways"])
        assert all(gateway["reachable"] for gateway in cluster["gateways"])
    finally:
        for gateway in GATEWAYS:
            sandbox.run(gateway, ["sysctl", "-w", "net.netfilter.nf_conntrack_acct=1"]).check_returncode()
    until(lambda: alice.job(job["id"])["idle"]["since"], 30, "it can be told again")
    alice.cancel(job["id"])


def test_what_the_site_does_not_allow_is_refused(alice: Person) -> None:
    body = {"user": "alice", "application": "listener", "idle_stop_minutes": 525_600}
    answer = alice.client.post("/api/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/idle_stop_minutes")
