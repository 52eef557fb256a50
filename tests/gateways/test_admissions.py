"""Forwards that are bound to their owners' addresses, from outside, by two clients with addresses of their own."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from bwvisu.cli.local import LocalService, until
from bwvisu.domain.admission import Admission, Admissions
from bwvisu.sandbox import Sandbox
from tests.support.world import Person, leave_whole, service_in

_CALLER = """
import socket, sys
host, port, source = sys.argv[1:]
door = socket.socket()
door.settimeout(3)
door.bind((source, 0))
try:
    door.connect((host, int(port)))
    print("in", flush=True)
    sys.stdin.readline()
    door.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    print(door.recv(12).decode(), flush=True)
except TimeoutError:
    print("silence", flush=True)
except OSError as error:
    print(type(error).__name__, flush=True)
"""


class Caller:
    """A client of one address that connects, and asks for a page when it is told to."""

    def __init__(self, box: Sandbox, service: dict[str, Any], source: str) -> None:
        argv = ["/usr/bin/python3", "-c", _CALLER, service["external_host"], str(service["external_port"]), source]
        self._process = box.popen("outside", argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.met = self._line()
        """``in``, or what it met instead."""

    def asks(self) -> str:
        """What it hears."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._line()

    def ends(self) -> None:
        """Close all that it has."""
        self._process.kill()
        self._process.communicate(timeout=10)

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()


@pytest.fixture
def clients(sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    """Two addresses of the host outside."""
    first = sandbox.addresses["outside"].outer
    assert first
    second = first.removesuffix("100") + "101"
    assert sandbox.run("outside", ["ip", "address", "add", f"{second}/24", "dev", "outer"]).returncode == 0
    yield first, second
    sandbox.run("outside", ["ip", "address", "delete", f"{second}/24", "dev", "outer"])


@pytest.fixture(params=["nftables", "iptables"])
def service(sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[LocalService]:
    forwards = {"backend": request.param, "admission": "owner-address"}
    with service_in(sandbox, tmp_path, {"forwards": forwards}) as service:
        service.start()
        service.wait_until_ready(120)
        yield service


def admit(service: LocalService, job_id: str, *networks: str, seconds: float = 3600) -> None:
    """Write the record as the API does."""
    now = datetime.now(UTC)
    entries = tuple(
        Admission(
            id=str(number), network=str(ip_network(each)), user="alice", at=now, expires_at=now + timedelta(0, seconds)
        )
        for number, each in enumerate(networks)
    )
    argv, environment = service.box.etcd.etcdctl()
    key = f"{service.settings['etcd']['prefix']}/v1/admissions/{job_id}"
    text = Admissions(entries=entries).model_dump_json()
    subprocess.run([*argv, "put", key, text], env=environment, check=True, capture_output=True, timeout=20)


def test_only_admitted_addresses_reach_a_job_and_revocation_cuts_them(
    service: LocalService, sandbox: Sandbox, clients: tuple[str, str]
) -> None:
    owner, stranger = clients
    foreign = "-p tcp -m tcp --dport 9999 -j REDIRECT --to-ports 22"
    for gateway in ("gw1", "gw2"):
        sandbox.run(gateway, ["iptables", "-t", "nat", "-A", "PREROUTING", *foreign.split()])
    with service.client() as client:
        alice = Person(client)
        job = alice.wait(alice.submit(minutes=5), "available")
        (web,) = job["services"]

        def called(source: str) -> str:
            caller = Caller(sandbox, web, source)
            heard = caller.asks() if caller.met == "in" else caller.met
            caller.ends()
            return heard

        assert (called(owner), called(stranger)) == ("silence", "silence")
        admit(service, job["id"], owner)
        until(lambda: called(owner) == "HTTP/1.0 200", 20, "the owner is admitted")
        assert called(stranger) == "silence"

        admit(service, job["id"], owner, stranger)
        until(lambda: called(stranger) == "HTTP/1.0 200", 20, "the second is admitted")
        lives, cut = Caller(sandbox, web, owner), Caller(sandbox, web, stranger)
        assert (lives.met, cut.met) == ("in", "in")
        admit(service, job["id"], owner)
        until(lambda: called(stranger) == "silence", 20, "the second is shut out")
        until(lambda: not flows_of(sandbox, web["gateway"], stranger), 20, "his connection is cut")
        assert (cut.asks(), lives.asks()) == ("silence", "HTTP/1.0 200")

        admit(service, job["id"], owner, seconds=2)
        until(lambda: called(owner) == "silence", 20, "the admission has expired by itself")
        for caller in (lives, cut):
            caller.ends()
        for gateway in ("gw1", "gw2"):
            assert foreign in sandbox.run(gateway, ["iptables-save", "-t", "nat"]).stdout
            sandbox.run(gateway, ["iptables", "-t", "nat", "-D", "PREROUTING", *foreign.split()])
        leave_whole(service, client)


def flows_of(box: Sandbox, gateway: str, source: str) -> str:
    """Connections of a client that the gateway leads to the inside."""
    return box.run(gateway, ["conntrack", "-L", "-p", "tcp", "--dst-nat", "--orig-src", source]).stdout
