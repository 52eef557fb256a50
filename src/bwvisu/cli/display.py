"""Jobs as people read them: a table, a page of facts, a line."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from rich.table import Table
from rich.text import Text

from bwvisu.cli.output import Screen, plain
from bwvisu.domain.address import place

Json = dict[str, Any]

SHORT_ID = 8
"""Characters: the end of an id, 40 random bits; its beginning is the time and much alike among the jobs of a day."""
LONGEST_LINE = 10_000
"""Columns, where no terminal says how many there are."""
COLOURS = {"accepted": "cyan", "submitted": "yellow", "running": "blue", "available": "green"}


def state_of(job: Json) -> str:
    """The state, and the outcome once there is one: ``finished (timeout)``."""
    state = plain(job["state"])
    if job.get("outcome"):
        return f"{state} ({plain(job['outcome'])})"
    return f"{state}, stopping" if job.get("wanted") == "stopped" and state != "finished" else state


def why(job: Json) -> str:
    """The reason in words; empty where there is none."""
    return plain(job["reason"]["message"]) if job.get("reason") else ""


def line(job: Json, now: datetime) -> str:
    """What `watch` prints of a job where nothing can be drawn over: times of day, which stay true."""
    return ": ".join(part for part in (state_of(job), note(job, now)) if part)


def note(job: Json, now: datetime, *, left: bool = False) -> str:
    """Why it is where it is, and what is expected next."""
    parts = (why(job), idle_warning(job, now, left=left), outlook(job, now, left=left))
    return " ".join(part for part in parts if part)


def idle_warning(job: Json, now: datetime, *, left: bool = False) -> str:
    """That it is stopped soon, and how to keep it; empty where it is not."""
    idle = job.get("idle") or {}
    if not idle.get("warned") or (at := instant(idle.get("stops_at"))) is None:
        return ""
    when = f"in {span(at - now)}" if left else f"at {clock(at, now)}"
    return f"Nobody uses it: stopped {when} (bwvisu job keep {plain(job['id'])[-SHORT_ID:]})."


def outlook(job: Json, now: datetime, *, left: bool = False) -> str:
    """What is expected next: when it starts, or when its time is over; with ``left`` as the time until then."""
    slurm = job.get("slurm") or {}
    if job["state"] == "submitted" and (at := instant(slurm.get("expected_start_at"))):
        return f"Expected to start at {_ahead(at, now) if left else clock(at, now)}"
    stays = job["state"] in ("running", "available") and job.get("wanted") != "stopped"
    if stays and (at := instant(slurm.get("ends_at"))):
        return f"{span(at - now)} left" if left else f"Until {clock(at, now)}"
    return ""


def instant(text: object) -> datetime | None:
    """A time of the API; None where there is none."""
    return datetime.fromisoformat(str(text)).astimezone(UTC) if text else None


def clock(at: datetime, now: datetime) -> str:
    """A time as people here say it: ``14:05``; on another day ``23 Nov 14:05``."""
    here, today = at.astimezone(), now.astimezone().date()
    return f"{here:%H:%M}" if here.date() == today else f"{here:%-d %b %H:%M}"


def span(passed: timedelta) -> str:
    """How long: ``4 s``, ``12 min``, ``1 h 5 min``, ``2 d 3 h``."""
    seconds = max(0, int(passed.total_seconds()))
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    for (size, unit), (lower, below) in pairwise(units):
        if seconds >= size:
            rest = seconds % size // lower if below != "s" else 0
            return f"{seconds // size} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{seconds} s"


def _ahead(at: datetime, now: datetime) -> str:
    return f"{clock(at, now)} (in {span(at - now)})" if at > now else clock(at, now)


def table(jobs: Sequence[Json], now: datetime, *, short: bool = False) -> Table:
    """Many jobs; ``short``: with the ends of their ids, which every command takes."""
    shown = columns("ID", "User", "Application", "Cluster", "State", "Age", "Note")
    shown.columns[0].no_wrap = True
    shown.columns[0].min_width = SHORT_ID if short else 26
    for job in jobs:
        job_id = plain(job["id"])
        age = span(now - (instant(job["created_at"]) or now))
        names = (plain(job[name]) for name in ("user", "application", "cluster"))
        cells = (job_id[-SHORT_ID:] if short else job_id, *names)
        shown.add_row(*map(Text, cells), coloured(job), Text(age), Text(note(job, now, left=True)))
    return shown


def columns(*headings: str) -> Table:
    """An empty table."""
    shown = Table(box=None, pad_edge=False)
    for heading in headings:
        shown.add_column(heading)
    return shown


def facts(job: Json, now: datetime) -> Table:
    """One job."""
    shown = Table(show_header=False, box=None, pad_edge=False)
    shown.add_column(style="bold")
    shown.add_column(overflow="fold")
    for name, value in _facts(job, now):
        shown.add_row(Text(name), value if isinstance(value, Text) else Text(plain(value)))
    return shown


def _facts(job: Json, now: datetime) -> list[tuple[str, str | Text]]:
    slurm = job.get("slurm") or {}
    known: list[tuple[str, str | Text]] = [
        ("id", job["id"]),
        ("application", f"{job['application']} on {job['cluster']}, for {job['user']}"),
        ("state", coloured(job)),
        ("why", why(job)),
        ("next", outlook(job, now, left=True)),
        ("exit code", "" if job.get("exit_code") is None else str(job["exit_code"])),
        ("parameters", ", ".join(f"{name}={value}" for name, value in job["parameters"].items())),
        ("Slurm", f"job {slurm['job_id']}, {slurm['state']}, {', '.join(slurm['nodes'])}" if slurm else ""),
        ("ends", str(slurm.get("ends_at") or "")),
        ("asked for", _extension(job.get("extension"))),
        ("idle", _idle(job, now)),
        *(("service", _service(service)) for service in job["services"]),
        *((plain(moment["state"]), str(moment["at"])) for moment in job["timeline"]),
    ]
    return [(name, value) for name, value in known if value]


def _extension(asked: Json | None) -> str:
    """The run time that was last asked for, and what became of it."""
    if not asked:
        return ""
    told = f"{asked['minutes']} min, {asked['state']}"
    return f"{told}: {asked['reason']['message']}" if asked.get("reason") else told


def _idle(job: Json, now: datetime) -> str:
    """After how long it is stopped when nobody uses it, and since when nobody does."""
    idle = job.get("idle") or {}
    if not idle:
        return ""
    rule = f"stopped after {idle['stop_after_minutes']} min without activity"
    if job["state"] != "available":
        return rule
    since = instant(idle.get("since"))
    told = f"last activity {span(now - since)} ago" if since else "whether somebody uses it cannot be told"
    return f"{rule}; {told}"


def _service(service: Json) -> str:
    there = f"{service['name']}: {service['protocol']}://{place(service['external_host'], service['external_port'])}"
    if not service["reachable"]:
        return f"{there} (does not answer)"
    connections = service.get("connections")
    if connections is None:
        return there
    return f"{there} ({connections} connection{'' if connections == 1 else 's'})"


def coloured(job: Json) -> Text:
    """The state in its colour; a bad end is red."""
    ended = {"completed": "dim", "cancelled": "dim"}.get(str(job.get("outcome")), "red")
    return Text(state_of(job), style=ended if job.get("outcome") else COLOURS.get(str(job["state"]), ""))


def show(what: Table) -> None:
    """Print a table; not cut where the output is not a terminal."""
    screen = Screen()
    (screen if screen.is_terminal else Screen(width=LONGEST_LINE)).print(what)


def on_terminal() -> bool:
    """Whether a person reads the output."""
    return sys.stdout.isatty()
