"""A Python environment below ``build/``, for tools that are none of bwVisu's own dependencies; locked with hashes."""

import fcntl
import hashlib
import os
import subprocess
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment at ``home``; `ensure` it before use."""

    home: Path
    locks: ClassVar[Path]
    """The folder of what it is made from; ``constraints.txt`` is for pip."""
    locked: ClassVar[Sequence[str]] = ("constraints.txt",)
    """What changes it when it changes."""
    purpose: ClassVar[str]
    """What is being installed, for people."""

    @property
    def python(self) -> Path:
        """Its Python."""
        return self.home / "bin" / "python"

    def tool(self, name: str) -> Path:
        """A program of one of its packages."""
        return self.home / "bin" / name

    def ensure(self) -> None:
        """Install what the locks say, unless it is there; as many as like may ask at once."""
        self.home.parent.mkdir(exist_ok=True)
        with self.home.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            stamp = self.home / "installed"
            wanted = hashlib.sha256(b"".join((self.locks / name).read_bytes() for name in self.locked)).hexdigest()
            if not stamp.is_file() or stamp.read_text() != wanted:
                print(f"installing {self.purpose}", flush=True)
                self.install()
                stamp.write_text(wanted)

    def install(self) -> None:
        """Make it anew."""
        venv.create(self.home, with_pip=True, clear=True)
        pip = ("-m", "pip", "--disable-pip-version-check", "--quiet", "install")
        run([self.python, *pip, "--require-hashes", "-r", self.locks / "constraints.txt"])


def run(command: Sequence[Path | str], folder: Path = ROOT) -> None:
    """Run a command; raises with its output when it fails."""
    paths = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", os.defpath)])
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": paths}, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"failed: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
