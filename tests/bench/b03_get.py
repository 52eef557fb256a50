"""How many reads one worker answers.

``GET`` of one job, and of a list of 100, by 8 kept connections to one replica of the API, which is one process with one
thread that computes.  It knows 1,000 jobs of 100 persons.  The floor: a process with an empty FastAPI route that
returns the same JSON, under the same web server, without token, permission, rate limit, metrics or log, asked by the
same client.  The framework's own way to make JSON of a document is part of that floor; both are told against a route
that has its bytes ready, too, for which there is no goal.

Floor and measurement take turns, so that what else happens on the machine meets both.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

from scripts.suites import ROOT
from tests.bench.line import Line, lines
from tests.bench.replica import HEADERS, accepted, replica
from tests.bench.table import Goal, Result, Row, Say
from tests.bench.timing import rate
from tests.support.waiting import eventually_true, free_port

JOBS, PERSONS = 1000, 100
LANES = 8
ROUNDS = 5
CALLS: Mapping[str, int] = {"one job": 1500, "a list of 100": 150}
"""Of one round: a second or so."""
GOAL = Goal("at least", 0.5)


async def measure(say: Say) -> Result:
    """A row for one job, and two for the list."""
    async with replica() as running:
        jobs = await accepted(running.api, [f"user{number % PERSONS}" for number in range(JOBS)])
        paths = {"one job": f"/api/v1/jobs/{jobs[0]}", "a list of 100": "/api/v1/jobs?limit=100"}
        rows = []
        for what, path in paths.items():
            async with lines(running.api.port, LANES, HEADERS) as ours:
                document = await ours[0].ask(path)
                async with _floor(running.folder, document) as empty:
                    rows += await _rows(say, what, path, ours, empty)
        return Result(rows)


@asynccontextmanager
async def _floor(folder: Path, document: bytes) -> AsyncIterator[list[Line]]:
    """Lines to an empty route that answers this."""
    port = free_port()
    (folder / "document.json").write_bytes(document)
    argv = [sys.executable, "-m", "tests.bench.empty_route", str(port), str(folder / "document.json")]
    running = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL)  # noqa: ASYNC220
    try:
        await eventually_true(lambda: _answers(port), 60)
        async with lines(port, LANES, {}) as opened:
            yield opened
    finally:
        running.terminate()
        running.wait(30)


async def _answers(port: int) -> bool:
    try:
        async with lines(port, 1, {}) as (line,):
            await line.ask("/")
    except (ConnectionError, asyncio.IncompleteReadError):
        return False
    return True


async def _rows(say: Say, what: str, path: str, ours: list[Line], empty: list[Line]) -> list[Row]:
    asked: Mapping[str, tuple[list[Line], str]] = {
        "ours": (ours, path),
        "built": (empty, "/"),
        "ready": (empty, "/bytes"),
    }
    found: dict[str, list[float]] = {name: [] for name in asked}
    for number in range(ROUNDS):
        say(f"{what}: round {number + 1} of {ROUNDS}")
        for name, (opened, where) in asked.items():
            found[name].append(await _rate(opened, where, CALLS[what]))
    middle = {name: median(rates) for name, rates in found.items()}
    unit = "requests/s"
    return [
        Row(f"GET {what}", middle["ours"], unit, floor=middle["built"], floor_is="empty FastAPI route", goal=GOAL),
        Row(f"GET {what}", middle["ours"], unit, floor=middle["ready"], floor_is="empty route, bytes ready"),
    ]


async def _rate(opened: list[Line], path: str, calls: int) -> float:
    return await rate(lambda lane: opened[lane].ask(path), calls, len(opened))
