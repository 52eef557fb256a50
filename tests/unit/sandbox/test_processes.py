"""Which processes a host has, read from /proc."""

import os
import subprocess
from pathlib import Path

from bwvisu.sandbox import processes
from tests.support.waiting import until


def test_a_zombie_is_not_counted() -> None:
    """A paused sshd does not reap its children: a session that ended meanwhile made it look half awake."""
    ended = subprocess.Popen(["true"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert Path(f"/proc/{ended.pid}").exists()
    assert ended.pid not in processes.inside(os.getpid())
    assert os.getpid() in processes.inside(os.getpid())
    ended.wait()


def test_only_those_of_the_name_are_found() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeping:
        try:
            # Popen returns in the middle of execve, when the process has neither its arguments nor its name yet.
            until(lambda: sleeping.pid in processes.inside(os.getpid(), "sleep"), what="it is found")
            assert sleeping.pid not in processes.inside(os.getpid(), "cat")
        finally:
            sleeping.kill()
