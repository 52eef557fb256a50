"""A whole service on this machine, over a sandbox cluster: what the demo shows and the cluster tests try."""

import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import yaml

from bwvisu.adapters.vault import new_key
from bwvisu.cli.local_etcd import certificate, everything, settle_roles
from bwvisu.cli.local_portal import draw_passwords, portal_settings, portal_token, write_secret
from bwvisu.errors import TryAgain
from bwvisu.sandbox import Options, Sandbox

EVERYTHING = ("jobs:read", "jobs:write", "jobs:connect", "clusters:read", "admin")
TERMINAL = Path("/opt/bwvisu/terminal")
"""Where jobs look for the terminal's server; compute nodes of the sandbox see this machine's files."""


@contextmanager
def cluster(options: Options, say: Callable[[str], None]) -> Iterator[Sandbox]:
    """A cluster for a while.  Where somebody loses patience while it comes up, the half that is there goes, too."""
    impatient = False
    try:
        with Sandbox.up(options, say=say) as box:
            yield box
    except KeyboardInterrupt:
        impatient = True
    if impatient:  # not above: an interrupt that came when a lock was to be given back holds it until it is forgotten
        if options.name in Sandbox.names():
            Sandbox.load(options.name).down()
        raise KeyboardInterrupt


class LocalService:
    """Settings, a token, and the processes of the roles; their output is in ``folder/<name>.log``.

    ``people`` may sign in at a portal; the processes of the role ``all`` serve it.
    ``cluster`` and ``top`` are merged into the sandbox's own settings (of its one cluster; of the whole file).
    Where the sandbox's etcd has users for the roles, each process is its role's, with the rights of that and no others.
    """

    def __init__(
        self,
        box: Sandbox,
        folder: Path,
        *,
        cluster: Mapping[str, Any] | None = None,
        top: Mapping[str, Any] | None = None,
        people: Sequence[str] = (),
    ) -> None:
        self.box = box
        self.folder = folder
        self.token = secrets.token_urlsafe(32)
        self.config = folder / "bwvisu.yaml"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._settled: set[str] = set()
        self.settings = merge(dict(box.settings()), self._own_settings())
        self.settings = merge(self.settings, everything(box.etcd))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.passwords = draw_passwords(people)
        """Of those who may sign in at the portal; without people there is none."""
        write_secret(folder / "secrets.key", new_key())
        if people:
            self._add_portal()
        self.configure({"clusters": {"main": cluster or {}}})
        self.configure(top or {})

    def _add_portal(self) -> None:
        port = free_port("127.0.0.1")
        self.settings["portal"] = portal_settings(self.folder, port, self.url, self.passwords)
        self.settings["api"]["tokens"].append(portal_token(self.folder))

    def configure(self, above: Mapping[str, Any]) -> None:
        """Lay settings over those that are there, for the processes that are started from now on."""
        self.settings = merge(self.settings, above)
        self.config.write_text(yaml.safe_dump(self.settings, sort_keys=False))
        self._settle_roles()

    def _own_settings(self) -> dict[str, Any]:
        keyhole = self.box.middleware_address
        port = free_port(keyhole)
        sha256 = hashlib.sha256(self.token.encode()).hexdigest()
        return {
            "api": {
                "host": "127.0.0.1",
                "port": free_port("127.0.0.1"),
                "tokens": [{"name": "local", "sha256": sha256, "scopes": list(EVERYTHING)}],
            },
            "keyhole": {"host": keyhole, "port": port, "public_urls": [f"http://{keyhole}:{port}"]},
            "secrets": {"key_files": [str(self.folder / "secrets.key")]},
            "clusters": {"main": {"slurm": {"poll_interval": 1}}},
        }

    @property
    def url(self) -> str:
        """Where the REST API is."""
        api = self.settings["api"]
        return f"http://{api['host']}:{api['port']}"

    @property
    def portal_url(self) -> str:
        """Where the portal is."""
        return str(self.settings["portal"]["public_url"])

    def client(self) -> httpx2.Client:
        """A client that may do everything."""
        return httpx2.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=30)

    def start(self, role: str = "all", name: str | None = None, environment: Mapping[str, str] | None = None) -> int:
        """Start a process of a role under a name (default: the role's); returns its process id."""
        name = name or role
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "bwvisu", "serve", role, "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **certificate(self.box.etcd, role), **(environment or {})},
                start_new_session=True,
            )
        return self._processes[name].pid

    def _settle_roles(self) -> None:
        """Once for each prefix that the settings come to name."""
        prefix = str(self.settings["etcd"]["prefix"])
        if prefix not in self._settled:
            settle_roles(self.box.etcd, prefix)
            self._settled.add(prefix)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process."""
        self._processes[name].send_signal(number)

    def wait(self, name: str, seconds: float = 30) -> int:
        """Wait for a process to end; its exit code, negative where a signal ended it."""
        code = self._processes[name].wait(seconds)
        del self._processes[name]  # not before: one that does not end in time is still ours to kill
        return code

    def stop(self, name: str) -> int:
        """End a process as a site would: SIGTERM."""
        self.signal(name, signal.SIGTERM)
        self.signal(name, signal.SIGCONT)
        return self.wait(name)

    def kill(self, name: str) -> None:
        """End a process as a power cut would: SIGKILL."""
        self.signal(name, signal.SIGKILL)
        self.wait(name)

    def wait_until_ready(self, seconds: float = 30) -> None:
        """Wait until the API can serve; raises `TryAgain` with the end of the log where it cannot."""
        try:
            with self.client() as client:
                until(lambda: _ready(client) and self._alive(), seconds, "the API is ready")
        except TryAgain as error:
            raise TryAgain(f"{error}\n{self.log_tail()}") from error

    def log_tail(self, lines: int = 30) -> str:
        """The end of every log."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(
            f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) for log in logs
        )

    def _alive(self) -> bool:
        ended = [name for name, process in self._processes.items() if process.poll() is not None]
        if ended:
            raise TryAgain(f"the process {ended[0]!r} has ended")
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            process.terminate()
            process.send_signal(signal.SIGCONT)
        for name in list(self._processes):
            try:
                self.wait(name, 15)
            except subprocess.TimeoutExpired:
                self.kill(name)


def shipped_applications() -> Path:
    """Their folder: beside the sources in a checkout, inside the package once installed."""
    package = Path(str(files("bwvisu")))
    beside = package.parent.parent / "job_templates"
    return beside if beside.is_dir() else package / "job_templates"


def install_terminal() -> None:
    """Put the terminal's server where jobs find it, unless it is there.  Raises `TryAgain` where that does not work."""
    argv = [shipped_applications() / "terminal" / "install.sh", TERMINAL]
    result = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
    if result.returncode != 0:
        raise TryAgain(f"the terminal's server could not be installed: {result.stderr.strip()}")


def until(condition: Callable[[], object], seconds: float, what: str, every: float = 0.1) -> None:
    """Wait until a condition holds; raises `TryAgain` where it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TryAgain(f"after {seconds:g} s still not: {what}")
        time.sleep(every)


def merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with others laid over them, section by section."""
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        merged[key] = merge(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    # Round trip: what is written must be plain data.
    plain: dict[str, Any] = json.loads(json.dumps(merged))
    return plain


def free_port(address: str) -> int:
    """A port that nobody listens on at the moment."""
    with socket.create_server((address, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _ready(client: httpx2.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False
