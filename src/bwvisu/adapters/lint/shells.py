"""What the shell's own parser and shellcheck say of a script that nobody runs."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bwvisu.adapters.batch_script import SHELLS

PATIENCE = 120
"""Seconds for shellcheck and all scripts of a bundle; ordinary: 0.1 s for each."""
CHECKED = ("bash", "dash", "ksh", "sh")
"""Dialects that shellcheck knows."""
_SYNTAX = re.compile(r"(?:line )?(\d+): (.*)")


@dataclass(frozen=True, slots=True)
class Remark:
    """About one line of one script."""

    script: int
    """Its place among those that were shown, from 0."""
    line: int
    """From 1; 0: not known."""
    rule: str
    message: str
    serious: bool


def dialect(script: str) -> str:
    """The shell that its first line names; bash where it names none."""
    match = SHELLS.match(script)
    return match[3] if match else "bash"


def shellcheck() -> str | None:
    """The program, where it is installed."""
    return shutil.which("shellcheck")


def syntax(scripts: Sequence[str]) -> Iterator[Remark]:
    """What each script's own shell, reading only, has against it; bash reads for shells that are not here."""
    for place, script in enumerate(scripts):
        program = shutil.which(dialect(script)) or "bash"
        done = _asked([program, "-n"], script)
        if done is None:
            yield Remark(place, 0, "shell-syntax", f"{Path(program).name} -n does not come to an end", serious=True)
        elif done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["does not understand the script"]
            match = _SYNTAX.search(said[0])
            line, message = (int(match[1]), match[2]) if match else (0, said[0])
            yield Remark(place, line, "shell-syntax", f"{Path(program).name} -n: {message}", serious=True)


def style(program: str, scripts: Sequence[str]) -> Iterator[Remark]:
    """What shellcheck says; it reads no settings of the one who runs it and no other file."""
    with tempfile.TemporaryDirectory(prefix="bwvisu-lint-") as folder:
        files = [Path(folder) / f"{place}.sh" for place in range(len(scripts))]
        for file, script in zip(files, scripts, strict=True):
            file.write_text(script, encoding="utf-8")
        for shell in sorted({dialect(script) for script in scripts} & set(CHECKED)):
            chosen = [file for file, script in zip(files, scripts, strict=True) if dialect(script) == shell]
            argv = [program, "--norc", "--format=json1", f"--shell={shell}", *map(str, chosen)]
            done = _asked(argv)
            yield from _remarks(done)


def _asked(argv: Sequence[str], given: str = "") -> subprocess.CompletedProcess[bytes] | None:
    """Ask a program, without the options that somebody has set for all; None: it did not answer in time."""
    environment = {name: value for name, value in os.environ.items() if name != "SHELLCHECK_OPTS"}
    try:
        return subprocess.run(
            argv, input=given.encode(), capture_output=True, timeout=PATIENCE, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return None


def _remarks(done: subprocess.CompletedProcess[bytes] | None) -> Iterator[Remark]:
    if done is None:
        yield Remark(0, 0, "shellcheck", "shellcheck does not come to an end", serious=True)
        return
    try:
        comments = json.loads(done.stdout)["comments"]
    except (KeyError, ValueError):
        why = done.stderr.decode(errors="replace").strip()[:300]
        yield Remark(0, 0, "shellcheck", f"shellcheck failed: {why or done.returncode}", serious=True)
        return
    for each in comments:
        place = int(Path(each["file"]).stem)
        yield Remark(place, each["line"], f"SC{each['code']}", each["message"], serious=each["level"] == "error")
