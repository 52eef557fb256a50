"""Gateway ``gw1`` with HAProxy's configuration as an administrator installs it, in either family."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from http.client import HTTPResponse, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bwvisu.sandbox.keys import Authority
from bwvisu.services.entrance import Entrance
from keyhole.gateway import Traffic, Unanswered, read_traffic, traffic
from keyhole.nat.model import Table, Translation
from keyhole.proxy_config import COOKIE, Place, haproxy
from tests.contract.nat.conftest import Bench
from tests.contract.nat.proxy_world import MAPS, ProxyWorld, bracketed

ALICE, BOB, AWAY = "alice-50001.viz.example.org", "bob-50002.viz.example.org", "away-50003.viz.example.org"
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""For the key of the example in RFC 6455, 1.3."""
PICTURES = b"pictures, please"
"""Who sends this is sent something ten times a second, for as long as anybody takes it."""
STOPPED = threading.Event()
"""Never set: a clock for that."""


class Echo(BaseHTTPRequestHandler):
    """Tells what it was asked; a WebSocket's bytes come back as they are, see also `PICTURES`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade"):
            self.send_response(101)
            for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", ACCEPT)):
                self.send_header(name, value)
            self.end_headers()
            while data := self.connection.recv(100):
                self.connection.sendall(data)
                while data == PICTURES:
                    self.connection.sendall(b"picture")
                    STOPPED.wait(0.1)
            return
        asked = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        port = self.connection.getsockname()[1]
        told = {"port": port, "path": self.path, "body": asked, "headers": dict(self.headers.items())}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "own=1")
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the name is http.server's
        del format, args


def ended(connection: ssl.SSLSocket) -> bool:
    """Whether its other end has hung up, in whatever way."""
    try:
        return connection.recv(10) == b""
    except (ssl.SSLError, ConnectionError):
        return True


class SinglePort:
    """The gateway with the printed configuration, two applications behind it, and a browser outside."""

    def __init__(self, world: ProxyWorld, changes: Mapping[str, str] = MappingProxyType({})) -> None:
        """``changes``: words of the configuration, each of them in it, and what stands there instead."""
        self.world, self.bench = world, Bench(world, "proxy")
        nodes, (stranger, _) = world.plan.nodes, world.plan.clients
        self.ways: Table = {
            50001: Translation(nodes["node1"], 8001, name=ALICE),
            50002: Translation(nodes["node2"], 8002, name=BOB),
            50003: Translation(stranger, 8003, name=AWAY),
        }
        self.key = ec.generate_private_key(ec.SECP256R1())
        authority = Authority("test")
        certificate = authority.issue("*.viz.example.org")
        self.trust = ssl.create_default_context(cadata=authority.certificate)
        name, own = MAPS[0], world.folder("gw1")
        (own / f"{name}.pem").write_text(certificate.certificate + certificate.key)
        public = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (own / f"{name}.pub").write_bytes(public)
        place = Place.of(name, socket=str(own / "sock"), group="root", folder=str(own))
        world.stop("gw1")
        bind = f"{bracketed(self.bench.outer)}:443"
        text = haproxy(name, place, world.plan.networks, bind=bind, port=443)
        for word, other in changes.items():
            assert word in text, word
            text = text.replace(word, other)
        world.start("gw1", text)
        for node, port in (("node1", 8001), ("node2", 8002), ("outside", 8003)):
            self._serve(node, port)

    def _serve(self, node: str, port: int) -> None:
        listener = self.world.hosts[node].tcp(socket.AF_INET6)  # and of IPv4, in its other form
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("::", port))
        listener.listen(16)
        listener.settimeout(None)
        server = ThreadingHTTPServer(("127.0.0.1", 0), Echo, bind_and_activate=False)
        server.socket.close()
        server.socket = listener
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def token(self, host: str, age: float = 0) -> str:
        return Entrance(self.key, 60).token(host, time.time() - age)

    def connect(self, host: str) -> ssl.SSLSocket:
        return self.trust.wrap_socket(self.world.hosts["outside"].connect(self.bench.outer, 443), server_hostname=host)

    def ask(self, host: str, path: str = "/", form: str | None = None, **headers: str) -> tuple[HTTPResponse, str]:
        """One request; ``form``: a POST of this body."""
        connection = HTTPSConnection(host)
        connection.sock = self.connect(host)
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if form is not None:
            fields["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request("GET" if form is None else "POST", path, form, fields)
        answer = connection.getresponse()
        return answer, answer.read().decode()

    def served(self, host: str, path: str = "/", form: str | None = None, **headers: str) -> Mapping[str, Any]:
        """What the application was asked."""
        answer, body = self.ask(host, path, form, **headers)
        assert answer.status == 200, body
        return dict(json.loads(body))

    def web_socket(self, host: str) -> ssl.SSLSocket:
        opened = self.connect(host)
        opened.sendall(
            f"GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Cookie: {self.cookie(host)}\r\n\r\n".encode()
        )
        assert opened.recv(1000).startswith(b"HTTP/1.1 101 ")
        return opened

    async def traffic(self) -> Mapping[int, Traffic]:
        found = read_traffic(await self.bench.run(traffic(self.bench.guard.gateway, "abc123")))
        assert not isinstance(found, Unanswered)
        return found

    def cookie(self, host: str) -> str:
        return f"{COOKIE}={self.token(host)}"
