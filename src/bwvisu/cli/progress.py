"""One job's way as a line that moves: where it was, for how long, where it is, and what is to come."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TextIO

import typer
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from bwvisu.cli import display
from bwvisu.cli.output import Screen, plain

Json = dict[str, Any]
WAY = ("accepted", "submitted", "running", "available")
"""States in which people wait, in the order of a job that goes well."""
REFRESHES = 2
"""Drawn anew so often in a second, for the times that pass."""


class Teller(Protocol):
    """Who tells a person what becomes of a job."""

    def job(self, job: Json) -> None:
        """The job as it is now."""

    def note(self, text: str) -> None:
        """Something about the watching itself; empty: all is well again."""


class Lines:
    """A line for each change, with the time of day."""

    def __init__(self, file: TextIO, clock: Callable[[], datetime]) -> None:
        self._file, self._clock, self._last = file, clock, ""

    def job(self, job: Json) -> None:
        """Print it, unless it reads as before."""
        now = self._clock()
        line = display.line(job, now)
        if line != self._last:
            typer.echo(f"{now.astimezone():%H:%M:%S} {line}", file=self._file)
        self._last = line

    def note(self, text: str) -> None:
        """Not among the lines, which programs may read."""
        if text:
            typer.echo(plain(text), err=True)


class Progress:
    """What the terminal shows at this moment; rendered anew for the times that pass."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._job: Json | None = None
        self._note = ""

    def job(self, job: Json) -> None:
        """Shown at the next refresh."""
        self._job, self._note = job, ""

    def note(self, text: str) -> None:
        """Shown below the job."""
        self._note = plain(text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        job, now = self._job, self._clock()
        if job is not None:
            whole = way(job, now)
            yield whole if whole.cell_len <= options.max_width else _cut(here(job, now))
            below = display.note(job, now, left=True)
            if below:
                yield _cut(Text(f"  {below}", style="dim"))
        if self._note:
            yield _cut(Text(f"  {self._note}", style="yellow"))


def way(job: Json, now: datetime) -> Text:
    """``✔ accepted 1 s  ✔ submitted 12 s  ● running 4 s  ○ available``, and how it ended."""
    spent, state = spent_in(job, now), str(job["state"])
    parts = [_station(each, spent, current=each == state) for each in WAY if each in spent or _may_come(each, state)]
    if state not in WAY:
        parts.append(Text("■ ").append_text(display.coloured(job)))
    elif job.get("wanted") == "stopped":
        parts.append(Text("stopping", style="yellow"))
    return Text("  ").join(parts)


def here(job: Json, now: datetime) -> Text:
    """The present alone, for narrow terminals."""
    state, spent = str(job["state"]), spent_in(job, now)
    since = f" {display.span(spent[state])}" if state in WAY and state in spent else ""
    return Text("● ").append_text(display.coloured(job)).append(since)


def _may_come(station: str, state: str) -> bool:
    return state in WAY and WAY.index(station) >= WAY.index(state)


def _station(name: str, spent: dict[str, timedelta], *, current: bool) -> Text:
    if name not in spent and not current:
        return Text(f"○ {name}", style="dim")
    label = f"{name} {display.span(spent.get(name, timedelta()))}"
    return Text(f"● {label}", style=f"bold {display.COLOURS[name]}") if current else Text(f"✔ {label}")


def spent_in(job: Json, now: datetime) -> dict[str, timedelta]:
    """How long the job was in each state that it has been in; a state may come twice."""
    moments = [(str(moment["state"]), display.instant(moment["at"]) or now) for moment in job["timeline"]]
    ends = [*(at for _, at in moments[1:]), now]
    spent: dict[str, timedelta] = {}
    for (state, at), end in zip(moments, ends, strict=False):
        spent[state] = spent.get(state, timedelta()) + max(end - at, timedelta())
    return spent


def _cut(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def now_utc() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


@contextmanager
def teller(*, err: bool = False) -> Iterator[Teller]:
    """A line that moves where a terminal can draw it, else lines; on stderr where stdout belongs to a program."""
    file = sys.stderr if err else sys.stdout
    screen = Screen(file)
    if not screen.is_live:
        yield Lines(file, now_utc)
        return
    progress = Progress(now_utc)
    with Live(progress, console=screen, refresh_per_second=REFRESHES, redirect_stdout=False, redirect_stderr=False):
        yield progress
