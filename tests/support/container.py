"""An image's root filesystem at work as a container engine would have it: read-only, nobody's rights, own processes.

The network is the machine's own: what listens, listens on loopback for the test.
"""

import json
import os
import shlex
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

START = """
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount --bind "$2" "$1/etc/bwvisu"
mount -o remount,bind,ro "$1"
root=$1; shift 2
exec chroot "$root" "$@"
"""
"""Run by sh in new namespaces; $1: the root, $2: what lies in /etc/bwvisu, then the command."""


class Container:
    """One container of the image in ``folder`` (see `scripts.image`); a context manager that leaves nothing behind."""

    def __init__(self, folder: Path, settings: Path, log: Path, *command: str, **environment: str) -> None:
        self.root = folder / "image"
        self.said: dict[str, Any] = json.loads((folder / "image.json").read_text())
        self.said["environment"] |= environment
        (self.root / "etc" / "bwvisu").mkdir(exist_ok=True)
        self.log = log
        self._argv = [
            *("unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child=KILL"),
            *("sh", "-euc", START, "container", str(self.root), str(settings)),
            *self._inside(json.loads(self.said["ENTRYPOINT"]) + list(command)),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def _inside(self, command: list[str]) -> list[str]:
        user, group = self.said["USER"].split(":")
        variables = [f"{name}={value}" for name, value in self.said["environment"].items()]
        nobody = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"]
        return ["env", "-i", *variables, *nobody, "--bounding-set=-all", "--inh-caps=-all", *command]

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._argv, stdout=log, stderr=log, start_new_session=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def first(self) -> int:
        """The PID, on the machine, of the container's process 1."""
        if self._process is None:
            raise AssertionError("the container does not run")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return int(children[0])

    def memory(self) -> int:
        """Bytes that process 1 holds."""
        pages = int(Path(f"/proc/{self.first}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def health(self) -> subprocess.CompletedProcess[str]:
        """What the image's HEALTHCHECK says, from inside."""
        return self.run(*json.loads(self.said["HEALTHCHECK"].partition(" CMD ")[2]))

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command beside process 1, with its rights."""
        enter = ["nsenter", f"--target={self.first}", "--all", "--root", "--wd=/"]
        return subprocess.run(
            [*enter, *self._inside(list(command))], check=False, capture_output=True, text=True, timeout=60
        )

    def stop(self) -> int:
        """SIGTERM to process 1, as an engine does; the exit code."""
        os.kill(self.first, signal.SIGTERM)
        if self._process is None:
            raise AssertionError("the container does not run")
        return self._process.wait(30)

    def __repr__(self) -> str:
        return shlex.join(self._argv)
