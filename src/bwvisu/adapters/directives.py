"""``#SBATCH`` lines: which of sbatch's options a template may set.

What follows was tried with sbatch 22.05 (``sbatch -vvv`` prints what it found): a directive begins in column one with
``#SBATCH``, even as part of a longer word; ``#PBS`` and ``#BSUB`` count as well; reading stops at the first line that
is neither blank nor a comment; long options may be shortened; short ones without a value may be joined.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

MARK = "#SBATCH"
FOREIGN = ("#PBS", "#BSUB")
OURS = "bwVisu sets it when it submits"
ONE_JOB = "a job of bwVisu is exactly one Slurm job on one cluster"
REFUSED: Mapping[str, str] = {
    "chdir": OURS, "workdir": OURS, "output": OURS, "error": OURS, "input": OURS, "job-name": OURS, "requeue": OURS,
    "no-requeue": OURS, "export": OURS, "export-file": OURS, "get-user-env": OURS, "parsable": OURS, "uid": OURS,
    "gid": OURS, "wrap": OURS, "array": ONE_JOB, "clusters": ONE_JOB, "cluster-constraint": ONE_JOB,
    "test-only": ONE_JOB, "wait": "nobody waits for sbatch", "help": OURS, "usage": OURS,
    "version": OURS,
}  # fmt: skip
"""Long options that a template may not use, and why."""
SHORT: Mapping[str, str] = {
    "D": "chdir", "o": "output", "e": "error", "i": "input", "J": "job-name", "a": "array", "M": "clusters",
    "W": "wait", "h": "help", "V": "version",
}  # fmt: skip
WITHOUT_VALUE = "HkOQsvhVW"
_STATEMENTS = re.compile(r"^(\s*\{(%.*?%|\{!.*?\})\})+")
"""Jinja2 statements and comments that begin a template's line."""


def problems(lines: Sequence[str]) -> list[str]:
    """What is wrong with the directives of a template or of a rendered script, as sentences."""
    found, reading = [], True
    for number, text in enumerate(lines, 1):
        line = _STATEMENTS.sub("", text)
        if line.startswith(MARK) and not reading:
            found.append(f"job.sh.j2, line {number}: sbatch stops reading at the first command; move {MARK} up")
        elif reading:
            found += [f"job.sh.j2, line {number}: {problem}" for problem in _line(line)]
        reading = reading and not is_command(line)
    return found


def is_command(line: str) -> bool:
    """Whether a line is the first that sbatch does not read on after; a keyhole line will become one."""
    return bool(line.strip()) and (not line.lstrip().startswith("#") or line.startswith("#KEYHOLE"))


def _line(line: str) -> Iterator[str]:
    if line.startswith(FOREIGN):
        yield f"sbatch would obey {line.split(maxsplit=1)[0]}; write {MARK}"
    if not line.startswith(MARK):
        return
    options = line.removeprefix(MARK)
    if not options.startswith((" ", "\t")):
        yield f"{MARK} is followed by a blank"
        return
    try:
        tokens = shlex.split(options, comments=True)
    except ValueError:
        yield "quotes are not closed"
        return
    if tokens[:1] == ["hetjob"]:
        yield f"hetjob is not possible: {ONE_JOB}"
    for token in tokens:
        refused = _refused(token)
        if refused:
            yield f"--{refused} is not possible: {REFUSED[refused]}"


def _refused(token: str) -> str | None:
    """The refused option that a word sets, spelled out."""
    if token.startswith("--"):
        name = token[2:].partition("=")[0]
        return next((option for option in REFUSED if option.startswith(name)), None) if name else None
    if token.startswith("-"):
        for letter in token[1:]:
            if letter in SHORT:
                return SHORT[letter]
            if letter not in WITHOUT_VALUE:
                return None
    return None
