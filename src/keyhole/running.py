"""The batch script as a child: a part of the job's side of the keyhole, and its text travels with that of ``client``.

Only a parent learns how a process ends, and Slurm ends what is left of a job together with its batch script.  So the
client takes the batch script's place and runs it.  Hence as ``client``: ASCII, the standard library, Python 3.6 or
newer, and no name that ``client`` uses for something else.
"""
# ruff: noqa: PTH123, UP006, UP035

import contextlib
import os
import signal
import stat
import subprocess
import sys
from typing import Any, Dict, Iterable, List

TAIL = 16384  # bytes of the log that are reported
PASSED_ON = (signal.SIGUSR1, signal.SIGUSR2)  # sbatch's --signal=B:USR1 is for the script alone
SURVIVED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def start(argv: List[str], environ: Dict[str, str]) -> "subprocess.Popen[bytes]":
    """Run the script as Slurm would: nothing to read, the job's log for whatever it says."""
    with open(os.devnull, "rb") as nothing:
        script = subprocess.Popen(argv, env=environ, stdin=nothing)

    def pass_on(number: int, _: Any) -> None:
        with contextlib.suppress(OSError):
            script.send_signal(number)

    for number in (*PASSED_ON, *SURVIVED):
        # Not SIG_IGN, which a child would inherit.
        signal.signal(number, pass_on if number in PASSED_ON or alone() else lambda *_: None)
    return script


def alone() -> bool:
    """Whether Slurm asks only this process to end.

    proctrack/cgroup signals the batch script and kills the rest (22.05, measured); linuxproc and pgid signal all, and a
    second signal would disturb a script that is cleaning up.
    """
    try:
        with open("/proc/self/cgroup") as groups:
            return "/step_batch" in groups.read()
    except OSError:
        return False


def ended(script: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Whether it ends within so many seconds."""
    try:
        script.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def end(code: int) -> None:
    """End as the script did, so that Slurm sees what it would have seen."""
    if code < 0:
        with contextlib.suppress(OSError):  # SIGKILL has no handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code if code >= 0 else 128 - code)


def tail(secrets: Iterable[str]) -> str:
    """The last lines of the job's log, which stderr is, with secrets blanked; empty where it is no file."""
    try:
        if not stat.S_ISREG(os.fstat(2).st_mode):
            return ""
        with open("/proc/self/fd/2", "rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - TAIL))
            text = log.read(TAIL).decode("utf-8", "replace")
    except OSError:
        return ""
    for secret in secrets:
        text = text.replace(secret, "*" * 8)
    return text if size <= TAIL else without_a_part(text, secrets)


def without_a_part(text: str, secrets: Iterable[str]) -> str:
    """Without its first line, of which the beginning is cut off; a secret may have been cut with it."""
    _, newline, whole = text.partition("\n")
    return whole if newline else text[max(map(len, secrets), default=0) :]
