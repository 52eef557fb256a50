"""The small real network with HAProxy on its gateways."""

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bwvisu.sandbox.runner import wait_for
from keyhole.domain import Family
from tests.contract.nat.world import World, sh

MAPS = ("bwv-abc123", "bwv-abc1234", "bwv-xyz789")
"""Of the installations that tests name."""


class ProxyWorld(World):
    """As `World`; what a site's own firewall does to packet filters happens to the proxy here."""

    def up(self, gateways: Sequence[str]) -> None:
        super().up(gateways)
        for name in gateways:
            self.start(name)

    def folder(self, gateway: str) -> Path:
        return self.home / gateway / "haproxy"

    def start(self, gateway: str, text: str = "") -> None:
        """HAProxy runs, with nothing in its maps."""
        folder = self.folder(gateway)
        folder.mkdir(parents=True, exist_ok=True)
        for name in MAPS:
            (folder / f"{name}.map").touch()
        (folder / "haproxy.cfg").write_text(text or at_each_port(folder, self.gateways[gateway].external_ip))
        self.hosts[gateway].run("haproxy", "-D", "-p", str(folder / "pid"), "-f", str(folder / "haproxy.cfg"))
        self.gateways[gateway] = replace(self.gateways[gateway], proxy_socket=str(folder / "sock"))

    def stop(self, gateway: str) -> None:
        """It is no more; the file of its socket stays."""
        pid = int((self.folder(gateway) / "pid").read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait_for(f"the end of HAProxy on {gateway}", lambda: not Path(f"/proc/{pid}/root").exists(), within=10)

    def ask(self, gateway: str, command: str) -> str:
        """What its runtime API says."""
        return sh("nc", "-U", str(self.folder(gateway) / "sock"), stdin=f"{command}\n")

    def flush(self, gateway: str) -> None:
        """Somebody empties our map; connections go on."""
        self.ask(gateway, f"clear map {self.folder(gateway)}/{MAPS[0]}.map")

    def reboot(self, gateway: str) -> None:
        self.stop(gateway)
        self.start(gateway)

    def close(self) -> None:
        for gateway in self.gateways:
            if (self.folder(gateway) / "pid").exists():
                self.stop(gateway)
        super().close()


def bracketed(address: str) -> str:
    """As it stands in front of a port."""
    return f"[{address}]" if ":" in address else address


def at_each_port(folder: Path, address: str) -> str:
    """The map and the cuts do not depend on the frontend: this one is of plain TCP, and its keys are port numbers.

    What the real one does is tried in `test_proxy`.
    """
    lines = [f"bind {bracketed(address)}:50000-52999"]
    for name in MAPS:
        way = f"dst_port,map_str({folder}/{name}.map)"
        lines.append(f"tcp-request content set-var(sess.of) str({name}) if {{ {way} -m found }}")
        lines.append(f"tcp-request content set-var(sess.way) {way} if {{ {way} -m found }}")
    lines += [
        "tcp-request content reject unless { var(sess.way) -m found }",
        "tcp-request content set-dst var(sess.way),field(2,/)",
        "tcp-request content set-dst-port var(sess.way),field(3,/)",
        "use_backend %[var(sess.of)]",
    ]
    head = f"""global
    stats socket {folder}/sock level admin
    maxconn 500
defaults
    mode tcp
    timeout client 1h
    timeout server 1h
    timeout connect 3s
"""
    backends = "".join(f"backend {name}\n    server application 0.0.0.0:0\n" for name in MAPS)
    return head + "frontend ports\n" + "".join(f"    {line}\n" for line in lines) + backends


@contextlib.contextmanager
def a_proxy_world(home: Path, gateways: Sequence[str] = ("gw1",), family: Family = 4) -> Iterator[ProxyWorld]:
    """A world that is gone at the end."""
    world = ProxyWorld(home, family)
    try:
        world.up(gateways)
        yield world
    finally:
        world.close()
