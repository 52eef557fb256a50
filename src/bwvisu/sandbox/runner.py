"""The one place where the sandbox starts programs.  Each has a deadline in seconds; an overrun kills it."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from bwvisu.errors import OperatorError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Debian's default for root.  The caller's PATH may hold other Pythons and OpenSSLs."""


class SandboxError(OperatorError):
    """The sandbox cannot do it; the text says what an administrator of this machine can do."""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A clean environment: nothing of the caller's reaches the nodes."""
    return {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", **(extra or {})}


def run(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    timeout: float | None = 60,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run to the end; any exit code is an answer."""
    source = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    return subprocess.run(
        argv, capture_output=True, text=True, timeout=timeout, env=environment(env), check=False, **source
    )


def check(
    argv: Sequence[str], *, stdin: str | None = None, timeout: float = 60, env: Mapping[str, str] | None = None
) -> str:
    """Run to the end and return stdout; SandboxError with the program's own words unless it exits 0."""
    done = run(argv, stdin=stdin, timeout=timeout, env=env)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()[-2000:]
        raise SandboxError(f"{argv[0]} ended with {done.returncode}: {words}")
    return done.stdout


def detach(argv: Sequence[str], *, log: str) -> None:
    """Start a program that outlives this one, with its output in a file; nobody has to wait for it."""
    with open(log, "ab") as out:  # noqa: PTH123 - a plain descriptor for the child
        subprocess.run(
            ["setsid", "--fork", *argv],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment(),
            cwd="/",
            check=True,
        )


def wait_for(what: str, condition: Callable[[], bool], *, within: float, every: float = 0.02) -> None:
    """Poll until the condition holds; SandboxError when ``within`` seconds have passed."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise SandboxError(f"{what}: not within {within:g} s")
        time.sleep(every)
