"""Starting programs."""

import subprocess

import pytest

from bwvisu.sandbox import SandboxError
from bwvisu.sandbox.runner import check, run, wait_for


def test_an_exit_code_is_an_answer() -> None:
    done = run(["sh", "-c", "cat; echo no >&2; exit 7"], stdin="yes")
    assert (done.returncode, done.stdout, done.stderr) == (7, "yes", "no\n")


def test_check_raises_with_the_programs_own_words() -> None:
    with pytest.raises(SandboxError, match="sh ended with 3: broken"):
        check(["sh", "-c", "echo broken >&2; exit 3"])


def test_nothing_of_the_callers_environment_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hidden")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    names = {line.split("=")[0] for line in check(["env"], env={"EXTRA": "1"}).splitlines()}
    assert names == {"PATH", "HOME", "LANG", "EXTRA"}


def test_an_overrun_is_killed() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run(["sleep", "60"], timeout=0.05)


def test_waiting_ends_with_what_was_waited_for() -> None:
    with pytest.raises(SandboxError, match=r"the moon: not within 0\.05 s"):
        wait_for("the moon", lambda: False, within=0.05)
