"""sbatch's own reading of its arguments and of a script's directives, before it talks to slurmctld."""

import shlex
from collections.abc import Sequence

from tests.simulation.slurm_job import Request

_FLAGS = frozenset({"parsable", "no-requeue", "requeue", "hold", "exclusive"})
_VALUED = frozenset(
    {
        *("account", "chdir", "comment", "constraint", "cpus-per-task", "error", "export", "gpus", "gres", "job-name"),
        *("mem", "mem-per-cpu", "nodelist", "nodes", "ntasks", "ntasks-per-node", "output", "partition", "qos"),
        *("reservation", "time"),
    }
)


class UsageError(Exception):
    """sbatch complains in these words and ends with this status; slurmctld hears nothing of it."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


def read(argv: Sequence[str], script: bytes, user: str) -> Request:
    """What sbatch would ask for; raises `UsageError`.  The command line goes before the script's directives."""
    given = _options(argv)
    _check(script)
    options = _options(_directives(script)) | given
    return Request(
        user=user,
        name=options.get("job-name", "sbatch"),
        script=script,
        partition=options.get("partition", "batch"),
        time_limit=_seconds(options.get("time", "60")),
        nodes=int(options.get("nodes", "1")),
        on=tuple(filter(None, options.get("nodelist", "").split(","))),
        hold="hold" in options,
        requeue="no-requeue" not in options,
        output=options.get("output", "/dev/null"),
    )


def _options(argv: Sequence[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for argument in argv:
        name, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or name not in (_VALUED if equals else _FLAGS):
            raise UsageError(
                255, f"sbatch: unrecognized option '{argument}'\nTry \"sbatch --help\" for more information\n"
            )
        options[name] = value
    return options


def _check(script: bytes) -> None:
    """Measured, with the words of 22.05."""
    if not script:
        raise UsageError(1, "sbatch: error: Batch script is empty!\n")
    if not script.startswith(b"#!"):
        raise UsageError(
            1,
            "sbatch: error: This does not look like a batch script.  The first\n"
            "sbatch: error: line must start with #! followed by the path to an interpreter.\n"
            "sbatch: error: For instance: #!/bin/sh\n",
        )
    if b"\r\n" in script:
        raise UsageError(
            1,
            "sbatch: error: Batch script contains DOS line breaks (\\r\\n)\n"
            "sbatch: error: instead of expected UNIX line breaks (\\n).\n",
        )


def _directives(script: bytes) -> list[str]:
    """``#SBATCH`` lines up to the first command."""
    words: list[str] = []
    for line in script.decode(errors="replace").splitlines():
        if line.startswith("#SBATCH "):
            words += shlex.split(line[len("#SBATCH ") :], comments=True)
        elif line.strip() and not line.startswith("#"):
            break
    return words


def _seconds(text: str) -> int | None:
    """``minutes``, ``minutes:seconds``, ``hours:minutes:seconds``, each with days before."""
    if text in {"UNLIMITED", "0"}:
        return None
    days, dash, rest = text.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdecimal() for part in [*parts, days or "0"]) or len(parts) > 3:
        raise UsageError(255, "sbatch: error: Invalid --time specification\n")
    numbers = [int(part) for part in parts]
    if dash or len(numbers) == 3:  # days-hours[:minutes[:seconds]]
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
    else:
        hours, (minutes, seconds) = 0, (*numbers, 0)[:2]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
