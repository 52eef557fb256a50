"""A host's processes, seen from outside: found in /proc by their PID namespace, then signalled."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from bwvisu.sandbox.runner import wait_for

_PROC = Path("/proc")


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())


def _read(pid: int, what: str) -> str:
    try:
        return (_PROC / str(pid) / what).read_text(errors="replace")
    except OSError:  # it ended in the meantime
        return ""


def arguments(pid: int) -> list[str]:
    """The command line; empty for a process that is gone or a zombie."""
    return _read(pid, "cmdline").split("\0")[:-1]


def with_argument(argument: str) -> list[int]:
    """Every process of this machine that has exactly this argument."""
    return [pid for pid in _pids() if argument in arguments(pid)]


def _namespace(pid: int) -> str:
    try:
        return str((_PROC / str(pid) / "ns" / "pid").readlink())
    except OSError:
        return ""


def inside(init: int, name: str | None = None) -> list[int]:
    """Processes in the PID namespace of ``init``, the process itself first; only those called ``name`` if given.

    A zombie is none of them: what has ended neither runs nor stops, and while its parent is stopped it stays.
    """
    wanted = _namespace(init)
    found = sorted((pid for pid in _pids() if wanted and _namespace(pid) == wanted), key=lambda pid: pid != init)
    return [pid for pid in found if arguments(pid) and (name is None or _read(pid, "comm").strip() == name)]


def send(pids: list[int], number: signal.Signals) -> None:
    """Signal each; those that ended in the meantime are no error."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def stopped(pid: int) -> bool:
    """Whether SIGSTOP has taken effect."""
    return _read(pid, "stat").rpartition(")")[2].split()[:1] == ["T"]


def freeze(init: int, name: str | None = None) -> None:
    """Stop all, and whatever they forked while being stopped."""

    def all_stopped() -> bool:
        running = [pid for pid in inside(init, name) if not stopped(pid)]
        send(running, signal.SIGSTOP)
        return not running

    wait_for("stopping processes", all_stopped, within=10)


def kill(pids: list[int]) -> None:
    """End each and wait until it is gone."""
    send(pids, signal.SIGKILL)
    wait_for("processes to die", lambda: not any(arguments(pid) for pid in pids), within=10)
