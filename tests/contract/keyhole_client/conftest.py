"""Batch scripts as Slurm would start them, on this machine, with any Python and any shell."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
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
OWN_PYTHON = "/usr/bin/python3"


def config(*urls: str, **changes: Any) -> ClientConfig:
    """The first attempt of the job, one port."""
    return replace(ClientConfig(JOB, 1, KEY, urls, ports=1, deadline=60), **changes)


class Script:
    """One start of a batch script; its job ends with it, and so must all that it started."""

    def __init__(self, folder: Path, text: str, shell: str, environ: dict[str, str]) -> None:
        self.folder = folder
        (folder / "script").write_text(text)
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            self.process = subprocess.Popen(
                [shell, folder / "script"],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environ,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        """What the script wrote after its prologue."""
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        """The job's log."""
        return (self.folder / "err").read_text()

    def wait(self) -> int:
        """The script's exit code."""
        return self.process.wait(120)

    def clients(self) -> list[int]:
        """Processes of the client that this script has started."""
        argument = f"\0-\0{self.process.pid}\0".encode()
        return [pid for pid, commands in peek("cmdline") if commands.endswith(argument)]

    def kill(self) -> None:
        """End the script and its session, as Slurm does; what has left the session must end by itself."""
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
    """``start(config, body, shell=…, python=…, before=…, **environment)``."""
    scripts: list[Script] = []

    def begin(
        settings: ClientConfig,
        body: str = "",
        *,
        before: str = "set -euo pipefail",
        shell: str = "bash",
        python: str | None = OWN_PYTHON,
        **environ: str,
    ) -> Script:
        folder = tmp_path / f"script-{len(scripts)}"
        path = folder / "bin"
        path.mkdir(parents=True)
        for tool in ("sleep", "env", "cat"):
            (path / tool).symlink_to(shutil.which(tool) or "")
        if python:
            (path / "python3").symlink_to(python)
        surroundings = {
            "PATH": str(path),
            "HOME": str(folder),
            "SLURM_JOB_ID": "4711",
            "SLURM_JOB_NODELIST": "n[1-2]",
            "SLURM_EXPORT_ENV": "NONE",
            "http_proxy": "http://127.0.0.1:9",
            "https_proxy": "http://127.0.0.1:9",
        } | environ
        text = f"#!/bin/{shell}\n{before}\n{prologue(settings)}\n{body}\n"
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
