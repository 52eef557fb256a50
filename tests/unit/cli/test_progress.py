"""The line that moves: where a job was, for how long, and what is to come."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from bwvisu.cli import display
from bwvisu.cli.progress import Lines, Progress, way
from tests.support.small_api import job

NOW = datetime(2026, 11, 22, 12, 1, 0, tzinfo=UTC)


def at(second: int) -> str:
    return (NOW - timedelta(seconds=60 - second)).isoformat()


def moments(**seconds: int) -> list[dict[str, str]]:
    return [{"state": state, "at": at(second)} for state, second in seconds.items()]


QUEUED = job(
    state="submitted",
    timeline=moments(accepted=0, submitted=2),
    reason={"code": "slurm:Resources", "message": "Slurm waits for free nodes."},
    slurm={"expected_start_at": (NOW + timedelta(minutes=12)).isoformat()},
)
AVAILABLE = job(
    state="available",
    timeline=moments(accepted=0, submitted=2, running=30, available=50),
    slurm={"ends_at": (NOW + timedelta(minutes=59, seconds=30)).isoformat()},
)


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (job(timeline=moments(accepted=50)), "● accepted 10 s  ○ submitted  ○ running  ○ available"),
        (QUEUED, "✔ accepted 2 s  ● submitted 58 s  ○ running  ○ available"),
        (AVAILABLE, "✔ accepted 2 s  ✔ submitted 28 s  ✔ running 20 s  ● available 10 s"),
        (
            {**AVAILABLE, "wanted": "stopped"},
            "✔ accepted 2 s  ✔ submitted 28 s  ✔ running 20 s  ● available 10 s  stopping",
        ),
        (
            job(state="finished", outcome="rejected", timeline=moments(accepted=0, finished=5)),
            "✔ accepted 5 s  ■ finished (rejected)",
        ),
        (job(state="a-new-one", timeline=[]), "■ a-new-one"),
    ],
)
def test_the_way_of_a_job(shown: dict[str, Any], line: str) -> None:
    assert way(shown, NOW).plain == line


def test_a_state_that_came_twice_is_counted_whole() -> None:
    timeline = [*moments(accepted=0, running=10, available=20), {"state": "running", "at": at(25)}]
    shown = way(job(state="running", timeline=timeline), NOW).plain
    assert shown == "✔ accepted 10 s  ● running 45 s  ✔ available 5 s"


def rendered(shown: dict[str, Any], *, width: int, note: str = "") -> list[str]:
    progress = Progress(lambda: NOW)
    progress.job(shown)
    progress.note(note)
    console = Console(file=StringIO(), width=width)
    with console.capture() as capture:
        console.print(progress)
    return capture.get().splitlines()


def test_what_it_waits_for_stands_below() -> None:
    lines = rendered(QUEUED, width=100, note="the API does not answer; trying again")
    start = display.clock(NOW + timedelta(minutes=12), NOW)
    assert lines[1] == f"  Slurm waits for free nodes. Expected to start at {start} (in 12 min)"
    assert lines[2] == "  the API does not answer; trying again"
    assert rendered(AVAILABLE, width=100)[1] == "  59 min left"


def test_a_narrow_terminal_has_the_present_in_single_lines() -> None:
    lines = rendered(QUEUED, width=30)
    assert lines[0] == "● submitted 58 s"
    assert lines[1].endswith("…")
    assert all(len(line) <= 30 for line in lines)


def test_lines_are_printed_when_they_change() -> None:
    output = StringIO()
    lines = Lines(output, lambda: NOW)
    for shown in (QUEUED, {**QUEUED, "revision": 2}, AVAILABLE):
        lines.job(shown)
    start, end = (display.clock(NOW + timedelta(minutes=minutes), NOW) for minutes in (12, 59))
    assert [line[9:] for line in output.getvalue().splitlines()] == [
        f"submitted: Slurm waits for free nodes. Expected to start at {start}",
        f"available: Until {end}",
    ]


def test_what_is_being_stopped_has_no_time_left() -> None:
    assert display.line({**AVAILABLE, "wanted": "stopped"}, NOW) == "available, stopping"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 s"), (59, "59 s"), (61, "1 min"), (3600, "1 h"), (3660, "1 h 1 min"), (183600, "2 d 3 h")],
)
def test_spans_are_said_in_two_units_at_most(seconds: int, words: str) -> None:
    assert display.span(timedelta(seconds=seconds)) == words


def test_another_day_is_named() -> None:
    assert display.clock(NOW + timedelta(days=3), NOW).endswith(
        (NOW + timedelta(days=3)).astimezone().strftime("%H:%M")
    )
    assert "25 Nov" in display.clock(NOW + timedelta(days=3), NOW)
