"""Tables that a person reads and a script greps."""

import sys
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest

from bwvisu.cli import display
from tests.support.small_api import job

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)

JOB: dict[str, Any] = {
    "id": "01jd0000000000000000000000",
    "user": "alice",
    "application": "terminal",
    "cluster": "main",
    "state": "accepted",
    "outcome": None,
    "wanted": "running",
    "reason": {"message": "The cluster does not answer; " * 4},
    "created_at": "2026-01-01T00:00:00Z",
}


def shown(monkeypatch: pytest.MonkeyPatch, *, columns: int, terminal: bool, short: bool = False) -> str:
    output = StringIO()
    output.isatty = lambda: terminal  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    display.show(display.table([JOB], NOW, short=short))
    return output.getvalue()


def test_a_program_gets_one_whole_line_for_each_job(monkeypatch: pytest.MonkeyPatch) -> None:
    heading, job = shown(monkeypatch, columns=80, terminal=False).splitlines()
    assert heading.split() == ["ID", "User", "Application", "Cluster", "State", "Age", "Note"]
    assert job.split()[:6] == [JOB["id"], "alice", "terminal", "main", "accepted", "1"]
    assert JOB["reason"]["message"].strip() in job


@pytest.mark.parametrize("short", [False, True])
def test_a_narrow_terminal_cuts_no_id(monkeypatch: pytest.MonkeyPatch, *, short: bool) -> None:
    told = JOB["id"][-8:] if short else JOB["id"]
    assert told in shown(monkeypatch, columns=60, terminal=True, short=short)


def test_hostile_words_are_words(monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"message": "\x1b[2J[red]\n\x9b31mboo"}
    changes = {"user": "\x1b[1m", "reason": words, "state": "\x1bc"}
    for made in (display.table([{**JOB, **changes}], NOW), display.facts(job(**changes), NOW)):
        output = StringIO()
        monkeypatch.setattr(sys, "stdout", output)
        display.show(made)
        assert "\x1b" not in output.getvalue()
        assert "\x9b" not in output.getvalue()
        assert r"\x1b[2J[red] \x9b31mboo" in output.getvalue()


def test_the_facts_of_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    slurm = {"job_id": 4711, "state": "RUNNING", "nodes": ["n1", "n2"], "ends_at": "2026-01-01T02:30:00Z"}
    output = StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    asked = {"minutes": 90, "state": "refused", "reason": {"code": "x", "message": "Too long."}}
    display.show(display.facts(job(state="running", slurm=slurm, extension=asked), NOW))
    told = dict(line.strip().split(maxsplit=1) for line in output.getvalue().splitlines())
    assert (told["id"], told["state"], told["next"]) == (job()["id"], "running", "1 h 30 min left")
    assert "asked for  90 min, refused: Too long." in output.getvalue().replace("    ", "  ")
    assert told["Slurm"] == "job 4711, RUNNING, n1, n2"
