"""A real sshd on loopback with Debian's default limits, for one ordinary user, in PID and mount namespaces of its own.

The user exists in that namespace only; its home and its ``~/bin`` (first in PATH) belong to the test.  Needs root.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bwvisu.adapters.ssh import Node, SshSettings
from tests.support.daemons import until_listening
from tests.support.waiting import free_port

USER, UID = "bwvt", 64213
CONFIG = """
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/client_key.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
SetEnv PATH={home}/bin:/usr/sbin:/usr/bin:/sbin:/bin
LogLevel VERBOSE
"""


class Sshd:
    """One server.  `stop` is idempotent; so is everything else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        for directory in (self.home, self.home / "bin"):
            directory.mkdir()
            os.chown(directory, UID, UID)
        for name in ("host_key", "client_key"):
            _make_key(folder / name)
        self.trust(folder / "host_key.pub")
        (folder / "sshd_config").write_text(CONFIG.format(folder=folder, home=self.home, port=self.port))
        entry = f"{USER}:*:{UID}:{UID}::{self.home}:/bin/bash\n"
        (folder / "passwd").write_text(Path("/etc/passwd").read_text() + entry)

    @property
    def node(self) -> Node:
        """Where it listens, as the wire names it."""
        return Node("127.0.0.1", USER, self.port)

    def settings(self, **changes: float) -> SshSettings:
        """Settings that reach it."""
        fast: dict[str, float] = {"connect_timeout": 5.0, "backoff_first": 0.2, "backoff_limit": 1.0} | changes
        return SshSettings(self.folder / "client_key", self.folder / "known_hosts", **fast)  # type: ignore[arg-type]

    def trust(self, public_key: Path) -> None:
        """Make this the host key that clients know."""
        kind, key, *_ = public_key.read_text().split()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")

    def distrust(self) -> None:
        """Make clients know another host key."""
        _make_key(self.folder / "other_key")
        self.trust(self.folder / "other_key.pub")

    def join(self, first: "Sshd") -> None:
        """Become a second host for whoever reaches ``first``: the same client key, both host keys known."""
        shutil.copy(first.folder / "client_key.pub", self.folder / "client_key.pub")
        with (first.folder / "known_hosts").open("a") as known:
            known.write((self.folder / "known_hosts").read_text())

    def program(self, name: str, text: str) -> None:
        """Put a program into the user's PATH, before everything else."""
        path = self.home / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def start(self) -> None:
        """Start listening; returns when it does."""
        Path("/run/sshd").mkdir(exist_ok=True)
        inner = (
            f"mount --bind {self.folder}/passwd /etc/passwd && exec /usr/sbin/sshd -D -e -f {self.folder}/sshd_config"
        )
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", inner],
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        until_listening(self._process, self.folder / "log", self.port)

    def stop(self) -> None:
        """Kill it and everything that was started through it, at once: a host that loses power, but says so."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stop every process of it without closing anything: a host that hangs."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._signal(signal.SIGCONT)

    def drop_connections(self) -> None:
        """Kill the sessions' sshd processes; the listener and the commands go on."""
        _, *others = self._processes()
        for pid in others:
            with suppress(FileNotFoundError, ProcessLookupError):  # it went with the one that was killed before it
                if Path(f"/proc/{pid}/comm").read_text() == "sshd\n":
                    os.kill(pid, signal.SIGKILL)

    def commands(self, word: str) -> list[int]:
        """Processes of the user, alive, whose command line holds ``word``."""
        found = []
        for pid in self._processes():
            try:
                alive = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
                line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
                if alive and word in line and os.stat(f"/proc/{pid}").st_uid == UID:  # noqa: PTH116
                    found.append(pid)
            except OSError:  # gone meanwhile
                continue
        return found

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _processes(self) -> list[int]:
        """Everybody in the server's PID namespace; its init, the listener, comes first."""
        assert self._process is not None
        init = int(Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()[0])
        space = os.readlink(f"/proc/{init}/ns/pid")  # noqa: PTH115
        return [init, *(pid for pid in _all_pids() if pid != init and _space_of(pid) == space)]


@contextmanager
def running_sshd() -> Iterator[Sshd]:
    """A server that listens until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="bwvt-sshd-"))
    folder.chmod(0o755)
    server = Sshd(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _make_key(path: Path) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", pwd.getpwuid(os.getuid()).pw_name, "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _all_pids() -> list[int]:
    return sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _space_of(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")  # noqa: PTH115
    except OSError:  # gone meanwhile, or not ours to see
        return ""
