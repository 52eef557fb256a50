"""Batch scripts as Slurm would start them, on this machine, with any Python and any shell."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keyhole.auth import attempt_key
from keyhole.embedding import ClientConfig, prologue
from tests.support.keyhole_api import JOB, SECRET, MemoryLedger, app, serving
from tests.support.waiting import until

KEY = attempt_key(SECRET, 1)
PASSWORD = "the-job-s-own-password"
OWN_PYTHON = "/usr/bin/python3"


def config(*urls: str, **changes: Any) -> ClientConfig:
    """The first attempt of the job, one port."""
    return replace(ClientConfig(JOB, 1, KEY, urls, ports=1, deadline=60, secrets=(PASSWORD,)), **changes)


class Script:
    """One start of a batch script; its job ends with it, and so must all that it started."""

    def __init__(self, folder: Path, text: str, shell: str, environ: dict[str, str]) -> None:
        self.folder = folder
        path = folder / "script"
        path.write_text(text)
        path.chmod(0o700)  # as slurmd leaves it
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            self.process = subprocess.Popen(
                [shell, path],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environ,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        """What the script wrote."""
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        """The job's log."""
        return (self.folder / "err").read_text()

    def wait(self) -> int:
        """The script's exit code."""
        return self.process.wait(120)

    @property
    def path(self) -> Path:
        """The script itself."""
        return self.folder / "script"

    def clients(self) -> list[int]:
        """Processes of the client: the one that the script's first start became."""
        return [pid for pid, words in peek("cmdline") if words.endswith(f"\0-I\0-\0{self.path}\0".encode())]

    def inner(self) -> int:
        """The process of the script itself, below the client; waits for it."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        until(lambda: children.read_text().split())
        return int(children.read_text().split()[0])

    def kill(self) -> None:
        """End all of it, as Slurm does in the end."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.wait(30)


def peek(what: str) -> Iterator[tuple[int, bytes]]:
    """A file of every process in /proc."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield int(process.name), (process / what).read_bytes()


Start = Callable[..., Script]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """``start(config, body, shell=…, python=…, path=…, before=…, **environment)``."""
    scripts: list[Script] = []

    def begin(
        settings: ClientConfig,
        body: str = "",
        *,
        before: str = "set -euo pipefail",
        shell: str = "bash",
        python: str | None = OWN_PYTHON,
        path: Sequence[str] = (),
        **environ: str,
    ) -> Script:
        folder = tmp_path / f"script-{len(scripts)}"
        programs = folder / "bin"
        programs.mkdir(parents=True)
        for tool in ("sleep", "env", "cat", *path):
            (programs / tool).symlink_to(shutil.which(tool) or "")
        if python:
            (programs / "python3").symlink_to(python)
        surroundings = {
            "PATH": str(programs),
            "HOME": str(folder),
            "SLURM_JOB_ID": "4711",
            "SLURM_JOB_NODELIST": "n[1-2]",
            "SLURM_EXPORT_ENV": "NONE",
            "http_proxy": "http://127.0.0.1:9",
            "https_proxy": "http://127.0.0.1:9",
        } | environ
        text = f"#!/bin/{shell}\n{prologue(settings)}\n{before}\n{body}\n"
        scripts.append(Script(folder, text, shutil.which(shell) or shell, surroundings))
        return scripts[-1]

    yield begin
    for script in scripts:
        script.kill()
    until(lambda: not any(script.clients() for script in scripts))


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def url(ledger: MemoryLedger) -> Iterator[str]:
    with serving(app(ledger)) as address:
        yield address
