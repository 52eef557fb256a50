"""What it costs Slurm to be watched.

A whole service on the sandbox cluster, with a look every three seconds instead of five, so that there are more of them
to count.  Slurm's own daemon counts who asks it for what (``sdiag``).  Cells: 10 jobs that run, 500 that run, and those
with 1,500 more that are held in the queue; one replica of the API or four; no event stream, or 300 that follow
everything, shared out over the replicas.  In each cell nothing changes but what has been said; it is observed for
twenty-one seconds, from one look to another.

The goal: as many looks (``squeue``) per minute in every cell.  Since they are counted over a time that is told to a
fraction of a second, the greatest number may be a twentieth more than the least.  All calls together, by everybody but
root and Slurm's own daemons, are reported beside them: each look asks for the configuration, too, and once a minute the
leader asks for the configuration and the partitions, which falls into one cell and not into another.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import NamedTuple

import httpx2

from bwvisu.cli.local import LocalService
from bwvisu.sandbox import Sandbox
from tests.bench.service import USERS, service_on_a_cluster
from tests.bench.table import Curve, Goal, Result, Row, Say
from tests.support.sse import blocks
from tests.support.traffic import looks
from tests.support.waiting import eventually, eventually_true, free_port

STEPS: Sequence[tuple[int, Mapping[str, str]]] = ((10, {}), (490, {}), (1500, {"options": "hold"}))
"""How many further jobs each step has, and their parameters."""
REPLICAS, STREAMS = (1, 4), (0, 300)
OBSERVED = 21.0
"""Seconds."""
LOOK_EVERY = 3
GOAL = Goal("at most", 1.05)


class Cell(NamedTuple):
    """Under which circumstances was counted."""

    jobs: int
    replicas: int
    streams: int


class Rates(NamedTuple):
    """Per minute."""

    looks: float
    calls: float


async def measure(say: Say) -> Result:
    """A row for the comparison, one for each cell, and the curve of those with the most to do."""
    cluster = {"slurm": {"poll_interval": LOOK_EVERY}}
    with service_on_a_cluster(say, "api", "keyhole", "reconciler", cluster=cluster) as service:
        found = await _cells(say, service)
    seen = [rates.looks for rates in found.values()]
    compared = Row(
        "looks, in the cell with most", max(seen), "per minute",
        floor=min(seen), floor_is="the cell with least", goal=GOAL,
    )  # fmt: skip
    rows = [Row(f"looks, {_words(cell)}", rates.looks, "per minute") for cell, rates in found.items()]
    rows += [Row(f"all Slurm calls, {_words(cell)}", rates.calls, "per minute") for cell, rates in found.items()]
    most = [(float(cell.jobs), rates.looks) for cell, rates in found.items() if cell[1:] == (REPLICAS[-1], STREAMS[-1])]
    curve = Curve(f"Looks, {REPLICAS[-1]} replicas, {STREAMS[-1]} streams", "jobs", "looks per minute", most)
    return Result([compared, *rows], [curve])


def _words(cell: Cell) -> str:
    return f"{cell.jobs} jobs, {cell.replicas} API, {cell.streams} streams"


async def _cells(say: Say, service: LocalService) -> dict[Cell, Rates]:
    found: dict[Cell, Rates] = {}
    jobs = 0
    for more, parameters in STEPS:
        await _post(service, jobs, more, parameters)
        jobs += more
        for replicas in REPLICAS:
            async with _replicas(service, replicas) as ports:
                for streams in STREAMS:
                    async with _following(service, ports, streams):
                        cell = Cell(jobs, replicas, streams)
                        found[cell] = await _rate(service.box)
                        say(f"{_words(cell)}: {found[cell].looks:.1f} looks, {found[cell].calls:.1f} calls a minute")
    return found


async def _post(service: LocalService, first: int, more: int, parameters: Mapping[str, str]) -> None:
    """So many further jobs, and wait until Slurm has them and, unless they are held, runs them."""
    slots = asyncio.Semaphore(16)

    async def post(number: int) -> None:
        wanted = {"line": "sleep 3000", "minutes": 60, **parameters}
        body = {"user": USERS[number % len(USERS)], "application": "command", "parameters": wanted}
        async with slots:
            answer = await client.post("/api/v1/jobs", json=body)
        assert answer.status_code == 201, answer.text

    async def settled() -> bool:
        pages = [await client.get("/api/v1/jobs", params={"state": state, "limit": 1}) for state in unsettled]
        return not any(page.json()["items"] for page in pages)

    unsettled = ("accepted",) if "options" in parameters else ("accepted", "submitted", "running")
    headers = {"Authorization": f"Bearer {service.token}"}
    async with httpx2.AsyncClient(base_url=service.url, headers=headers, timeout=60, trust_env=False) as client:
        await asyncio.gather(*(post(number) for number in range(first, first + more)))
        await eventually_true(settled, 600)


@asynccontextmanager
async def _replicas(service: LocalService, count: int) -> AsyncIterator[list[int]]:
    """The ports of so many replicas of the API, one of which is there already."""
    ports = [int(service.settings["api"]["port"]), *(free_port() for _ in range(count - 1))]
    names = {port: f"api-{port}" for port in ports[1:]}
    for port, name in names.items():
        service.start("api", name, {"BWVISU_API__PORT": str(port)})
    try:
        for port in ports:
            await eventually_true(partial(_ready, port), 120)
        yield ports
    finally:
        for name in names.values():
            await asyncio.to_thread(service.stop, name)


async def _ready(port: int) -> bool:
    async with httpx2.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
        except httpx2.TransportError:
            return False


@asynccontextmanager
async def _following(service: LocalService, ports: list[int], count: int) -> AsyncIterator[None]:
    """So many streams that follow every job; they are open inside."""
    begun = [False] * count

    async def follow(number: int) -> None:
        async with blocks(ports[number % len(ports)], "/api/v1/events", service.token) as stream:
            async for _ in stream:
                begun[number] = True

    async with AsyncExitStack() as stack:
        following = [asyncio.create_task(follow(number)) for number in range(count)]
        for task in following:
            stack.callback(task.cancel)
        await eventually(lambda: all(begun), 120)
        yield
        assert not any(task.done() for task in following)


async def _rate(box: Sandbox) -> Rates:
    """From one look to another."""
    first, asked, began = await _next(box)
    await asyncio.sleep(OBSERVED)  # noqa: TID251 it is what is counted in
    last, answered, ended = await _next(box)
    minutes = (ended - began) / 60
    return Rates((last - first) / minutes, (answered - asked) / minutes)


async def _next(box: Sandbox) -> tuple[int, int, float]:
    """Looks and calls so far, and the time, when one has just been taken."""
    before = await asyncio.to_thread(looks, box)
    async with asyncio.timeout(60):
        while (now := await asyncio.to_thread(looks, box)) == before:
            pass
    return now, await asyncio.to_thread(calls, box), time.monotonic()


def calls(box: Sandbox) -> int:
    """How often slurmctld was called by users since it was started: sdiag(1), without root (sdiag itself) and slurm."""
    shown = box.run("cmd2", ["sdiag"]).stdout.partition("statistics by user")[2].partition("\n\n")[0]
    found = re.findall(r"^\s+(\S+)\s+\(\s*\d+\) count:(\d+)", shown, re.MULTILINE)
    return sum(int(count) for user, count in found if user not in {"root", "slurm"})
