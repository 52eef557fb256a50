"""A small real network: an outside host, gateways, compute nodes without a route back, and a shell on the gateways."""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import re
import secrets
import select
import shutil
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from keyhole.domain import Family, Gateway
from keyhole.interfaces import Answer, NoAnswer
from tests.contract.nat.plan import PLANS
from tests.support.waiting import until

SITE = """
flush ruleset
table ip site {
  chain pre { type nat hook prerouting priority dstnat; }
  chain forward { type filter hook forward priority filter; ct state established accept; }
}
"""
"""A firewall that was loaded anew: it translates and tracks connections, and knows nothing of us."""
_SYN_SENT = 2
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def sh(*argv: str, stdin: str = "") -> str:
    """Run a program to its end; its stdout.  A failure shows what it said."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


class Host:
    """One network namespace; sockets made by it live there and are used from the test's own process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sockets: list[socket.socket] = []
        self.ports: set[str] = set()
        """Of a bridge: who is plugged in."""
        sh("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *args: str) -> None:
        sh("ip", "-n", self.name, *args)

    def run(self, *argv: str, stdin: str = "") -> str:
        return sh("ip", "netns", "exec", self.name, *argv, stdin=stdin)

    def names(self, hosts: dict[str, str]) -> None:
        """What `getent` answers here (ip-netns(8) puts this over /etc/hosts)."""
        folder = Path("/etc/netns") / self.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts").write_text("".join(f"{address} {name}\n" for name, address in hosts.items()))

    def tcp(self, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
        """A TCP socket of this namespace."""
        made: list[socket.socket] = []

        def enter() -> None:
            with (Path("/run/netns") / self.name).open() as namespace:
                assert _LIBC.setns(namespace.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            made.append(socket.socket(family))

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        made[0].settimeout(10)  # answers and refusals come in milliseconds; silence is no part of any test
        self.sockets.append(made[0])
        return made[0]

    def serve(self, port: int, greeting: bytes = b"hello\n") -> socket.socket:
        """Greet every connection, then echo what it sends; the peer's address is in the greeting."""
        listener = self.tcp(socket.AF_INET6)  # and of IPv4, in its other form
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("::", port))
        listener.listen(128)
        listener.settimeout(None)
        threading.Thread(target=_accept, args=(listener, greeting), daemon=True).start()
        return listener

    def connect(self, address: str, port: int, source: str = "") -> socket.socket:
        """A connection from here, from one of the host's addresses; raises OSError."""
        client = self.tcp(_family(address))
        client.bind((source, 0))
        client.connect((address, port))
        return client

    def hear(self, address: str, port: int, source: str = "") -> bytes | None:
        """The greeting at an address; None where it is refused."""
        try:
            with self.connect(address, port, source) as client:
                return client.recv(100) or None
        except OSError:
            return None

    def unanswered(self, address: str, port: int, source: str) -> bool:
        """Whether a connection gets no answer at all: no refusal, no ICMP error, so that the kernel asks again."""
        with self.tcp(_family(address)) as client:
            client.bind((source, 0))
            client.setblocking(False)
            client.connect_ex((address, port))
            return _asks_again(client)

    def close(self) -> None:
        for each in self.sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)
        shutil.rmtree(Path("/etc/netns") / self.name, ignore_errors=True)


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _asks_again(client: socket.socket) -> bool:
    """Whether the peer does not answer what was sent last, by what the kernel says of the connection (tcp(7))."""
    answers = select.poll()
    answers.register(client, select.POLLIN | select.POLLOUT if _state(client) == _SYN_SENT else select.POLLIN)

    def told() -> bool:
        return bool(answers.poll(0)) or client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[2] > 0

    until(told, what="an answer, or the question again")
    return not answers.poll(0)


def _state(client: socket.socket) -> int:
    return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[0]


def _accept(listener: socket.socket, greeting: bytes) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_echo, args=(connection, greeting), daemon=True).start()


def _echo(connection: socket.socket, greeting: bytes) -> None:
    with contextlib.suppress(OSError), connection:
        connection.sendall(greeting)
        while data := connection.recv(4096):
            connection.sendall(data)


class World:
    """``outside`` -- gateways -- ``node1``, ``node2``: two bridges, each in a namespace of its own, of one family."""

    def __init__(self, home: Path, family: Family = 4) -> None:
        self.home = home
        self.plan = PLANS[family]
        self.gateways: dict[str, Gateway] = {}
        self.tag = secrets.token_hex(3)
        self.hosts: dict[str, Host] = {}
        self.clients = self.plan.clients
        """Addresses of the outside host."""
        self.addresses = self.plan.nodes

    def up(self, gateways: Sequence[str]) -> None:
        """Make all hosts and cables."""
        outer, inner = self._bridge("o"), self._bridge("i")
        for client in self.clients:
            self._plug("outside", outer, "ext0", f"{client}/{self.plan.length}")
        for number, name in enumerate(gateways, start=21):
            gateway = self._plug(name, outer, "ext0", f"{self.plan.outer}{number}/{self.plan.length}")
            self._plug(name, inner, "int0", f"{self.plan.inner}{number}/{self.plan.length}")
            gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
            gateway.run("sysctl", "-qw", "net.netfilter.nf_conntrack_acct=1")
            gateway.names({"localhost": "127.0.0.1", **self.addresses})
        for node in ("node1", "node2"):
            self._plug(node, inner, "eth0", f"{self.addresses[node]}/{self.plan.length}")
        self.gateways = {name: self.plan.gateway(name, number) for number, name in enumerate(gateways, start=21)}

    def _bridge(self, suffix: str) -> Host:
        bridge = self._host(f"bridge-{suffix}")
        bridge.ip("link", "add", "bridge0", "type", "bridge")
        bridge.ip("link", "set", "bridge0", "up")
        return bridge

    def _host(self, name: str) -> Host:
        if name not in self.hosts:
            self.hosts[name] = Host(f"bwvt{self.tag}-{name}")
        return self.hosts[name]

    def _plug(self, name: str, bridge: Host, device: str, address: str) -> Host:
        host = self._host(name)
        port = f"p{name}"
        if port not in bridge.ports:
            bridge.ports.add(port)
            bridge.ip("link", "add", port, "type", "veth", "peer", "name", device, "netns", host.name)
            bridge.ip("link", "set", port, "master", "bridge0", "up")
            host.ip("link", "set", device, "up")
        host.ip("addr", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
        return host

    def shell(self) -> "LocalShell":
        return LocalShell(self)

    def flush(self, gateway: str) -> None:
        """The site's firewall is loaded anew; connections go on."""
        self.hosts[gateway].run("nft", "-f", "-", stdin=SITE)

    def reboot(self, gateway: str) -> None:
        """All that a reboot takes away from the kernel."""
        self.hosts[gateway].run("nft", "flush", "ruleset")
        self.hosts[gateway].run("conntrack", "-F")

    def foreign(self, gateway: str, rule: str) -> None:
        """Somebody adds ``-A CHAIN …`` or ``-I CHAIN …`` to table nat."""
        self.hosts[gateway].run("iptables", "-t", "nat", *rule.split())

    def saved(self, gateway: str) -> str:
        """Table nat as iptables shows it."""
        return self.hosts[gateway].run("iptables-save", "-t", "nat")

    def objects(self, gateway: str) -> set[str]:
        """Names of our tables and chains, whoever made them."""
        ruleset = self.hosts[gateway].run("nft", "list", "ruleset")
        return set(re.findall(r"^\s*(?:table ip6?|chain) (bwv-\S+)", ruleset, re.MULTILINE))

    def muted(self, client: socket.socket) -> bool:
        """Whether what an open connection sends is not even refused."""
        client.setblocking(False)
        client.send(b"anyone?")
        return _asks_again(client)

    def nft(self, gateway: str, line: str) -> None:
        """Somebody changes a ruleset by hand."""
        self.hosts[gateway].run("nft", *line.split())

    def without_conntrack(self, gateway: str) -> None:
        """From now on connections cannot be listed there."""
        sudo = self.home / "sudo"
        sudo.write_text('#!/bin/sh\n[ "$1" != conntrack ] && exec "$@"\n')
        sudo.chmod(0o755)
        self.gateways[gateway] = replace(self.gateways[gateway], sudo=str(sudo))

    def count(self, gateway: str, *, on: bool) -> None:
        """Whether connections that begin now are counted."""
        self.hosts[gateway].run("sysctl", "-qw", f"net.netfilter.nf_conntrack_acct={int(on)}")

    def break_tool(self, gateway: str, tool: str) -> None:
        """It cannot be run there any more, as while its package is upgraded; the kernel keeps what it holds."""
        stub = self._stub(gateway, tool)
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text("#!/bin/sh\necho error while loading shared libraries >&2\nexit 127\n")
        stub.chmod(0o755)

    def mend_tool(self, gateway: str, tool: str) -> None:
        """It can be run again."""
        self._stub(gateway, tool).unlink()

    def _stub(self, gateway: str, tool: str) -> Path:
        return self.home / gateway / "bin" / tool

    def fence(self, gateway: str) -> str:
        """The file of the fence."""
        return self._kept(gateway, "fence").read_text()

    def write_fence(self, gateway: str, text: str) -> None:
        """Somebody writes into it."""
        self._kept(gateway, "fence").write_text(text)

    @contextlib.asynccontextmanager
    async def locked(self, gateway: str) -> AsyncIterator[None]:
        """Somebody holds the lock."""
        with self._kept(gateway, "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _kept(self, gateway: str, what: str) -> Path:
        return self.home / gateway / f".bwvisu/abc123.{gateway}.{what}"

    def close(self) -> None:
        for host in self.hosts.values():
            host.close()


class LocalShell:
    """A `GatewayShell` whose wire is `ip netns exec`: the same texts under the same /bin/sh, without SSH."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.away: set[str] = set()
        """Gateways that cannot be reached."""
        self.scripts: list[tuple[str, str]] = []
        """(gateway, script) of every call."""

    async def run(
        self, gateway: str, script: str, args: Sequence[str], stdin: bytes, seconds: float
    ) -> Answer | NoAnswer:
        self.scripts.append((gateway, script))
        if gateway in self.away:
            return NoAnswer("unreachable")
        home = self.world.home / gateway
        home.mkdir(exist_ok=True)
        namespace = self.world.hosts[gateway].name
        process = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", namespace, "/bin/sh", "-c", script, "sh", *args),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}"},
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(stdin), seconds)
        except TimeoutError:
            process.kill()
            await process.wait()
            return NoAnswer("too slow")
        return Answer(process.returncode or 0, out, err)


class Connection(Protocol):
    """The client's end of a connection."""

    def send(self, data: bytes, /) -> int: ...

    def recv(self, size: int, /) -> bytes: ...


def is_cut(client: Connection) -> bool:
    """Whether the connection was ended against the will of both sides.

    The peer of our next packet is a stranger; or a proxy between them has hung up.
    """
    try:
        client.send(b"anyone?")
        return client.recv(9) == b""
    except (ConnectionResetError, BrokenPipeError):
        return True


@contextlib.contextmanager
def a_world(home: Path, gateways: Sequence[str] = ("gw1",), family: Family = 4) -> Iterator[World]:
    """A world that is gone at the end."""
    world = World(home, family)
    try:
        world.up(gateways)
        yield world
    finally:
        world.close()
