"""A service whose gateways are HAProxies: the administrator's steps of docs/operations.md, in a sandbox."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bwvisu.cli.local import LocalService
from bwvisu.sandbox import Sandbox
from bwvisu.sandbox.keys import Authority
from bwvisu.sandbox.proxy import FOLDER

DOMAIN = "viz.example.org"


def domain(gateway: str) -> str:
    """Below it, each forward has a name."""
    return f"{gateway}.{DOMAIN}"


def gateways(box: Sandbox) -> list[str]:
    """A sandbox's gateways."""
    return [name for name in box.addresses if name.startswith("gw")]


def names_of_gateways(box: Sandbox) -> dict[str, str]:
    """For browsers and curl: pattern of host names -> address."""
    return {f"*.{domain(name)}": str(box.addresses[name].outer) for name in gateways(box)}


class Proxies:
    """HAProxy on all gateways of a sandbox, for one service."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self.box, self.folder = box, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.gateways = gateways(box)
        key = ec.generate_private_key(ec.SECP256R1())
        self.key_file = folder / "proxy.key"
        self.key_file.touch(mode=0o600)
        self.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        authority = Authority("sandbox")
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_text(authority.certificate)
        self.certificates = {name: authority.issue(f"*.{domain(name)}") for name in self.gateways}

    def settings(self, cluster: Mapping[str, Any]) -> dict[str, Any]:
        """A cluster's, in single-port mode."""
        names = {
            "gateways": [
                {**each, "external_host": f"{{id}}-{{port}}.{domain(each['name'])}"} for each in cluster["gateways"]
            ]
        }
        forwards = {**cluster.get("forwards", {}), "backend": "proxy", "proxy": {"key_file": str(self.key_file)}}
        return {**cluster, **names, "forwards": forwards}

    def start(self, service: LocalService) -> None:
        """As an administrator: the printed configuration, the certificate, the public key, an empty map."""
        for gateway in self.gateways:
            text = self.configuration(service, gateway)
            name = next(line.split()[1] for line in text.splitlines() if line.startswith("frontend "))
            certificate = self.certificates[gateway]
            files = {"haproxy.cfg": text, f"{name}.pem": certificate.certificate + certificate.key}
            self.box.start_proxy(gateway, {**files, f"{name}.pub": self.public, f"{name}.map": ""})

    def configuration(self, service: LocalService, gateway: str) -> str:
        """What ``bwvisu config haproxy`` prints."""
        argv = ["config", "haproxy", "--cluster", "main", "--gateway", gateway, "--folder", FOLDER]
        done = subprocess.run(
            [sys.executable, "-m", "bwvisu", *argv, "--config", str(service.config)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stop(self) -> None:
        """The gateways are as they were."""
        for gateway in self.gateways:
            self.box.stop_proxy(gateway)


@contextmanager
def proxied(service: LocalService, folder: Path) -> Iterator[Proxies]:
    """The service, not started yet, with proxies for the time being."""
    proxies = Proxies(service.box, folder)
    try:
        service.configure({"clusters": {"main": proxies.settings(service.settings["clusters"]["main"])}})
        proxies.start(service)
        yield proxies
    finally:
        proxies.stop()
