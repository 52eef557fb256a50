"""What 100,000 finished and 10,000 live jobs cost.

The real leader, and the services behind the real API, in the simulation: etcd, Slurm, command nodes and gateways are
doubles in the same process, and time is simulated, so that CPU time is all that is measured; the doubles' part of it is
in the figures.  Each live job is available behind a forward of its own; all finished ones are kept, as they are for a
week by default.

What is compared is the whole size with a tenth of it: ten times the cost is linear, and a fifth more than that is
allowed for caches that are too small and for luck; half as much again for a page of a list, which is to cost the same.
``Start-up`` of a leader is from taking office to the end of its first pass over the jobs, that of an API until it is
ready; a page is the newest 100 jobs, from the question to the JSON.
"""

import asyncio
import gc
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

from structlog.testing import capture_logs

from bwvisu.adapters.bundles import Catalogue
from bwvisu.api.app import make_app
from bwvisu.api.routing import answer_page
from bwvisu.domain.principal import Principal, Scope
from bwvisu.reconcilers.leadership import Candidate
from bwvisu.roles.api import api_context
from bwvisu.roles.base import Base
from bwvisu.services.context import Context
from bwvisu.services.feed import Feed
from bwvisu.services.listing import Filter, list_jobs
from tests.bench.fleet import Fleet, settings
from tests.bench.leader import lead
from tests.bench.table import Curve, Goal, Result, Row, Say
from tests.simulation.etcd import SimEtcd, SimStore
from tests.simulation.loop import SimLoop
from tests.simulation.service import EPOCH, KEYS, wall
from tests.simulation.ssh import SimPool
from tests.simulation.weather import CALM

SIZES = (1000, 5000, 10_000)
"""Live jobs; ten times as many are finished."""
PAGES = 51
LINEAR, CONSTANT = Goal("at most", 12), Goal("at most", 1.5)
EVERYBODY = Principal("bench", frozenset(Scope))
GOALS: Mapping[str, Goal] = {
    "a pass that plans for all": LINEAR,
    "a pass of every loop": LINEAR,
    "a leader's start-up": LINEAR,
    "an API's start-up": LINEAR,
    "a page of a list": CONSTANT,
}


async def measure(say: Say) -> Result:
    """A row and a curve for each of the costs."""
    found: dict[int, Mapping[str, float]] = {}
    for size in SIZES:
        say(f"{size} live and {10 * size} finished jobs")
        found[size] = await asyncio.to_thread(_world, size)  # the simulation is a loop of its own
    whole, tenth = found[max(SIZES)], found[min(SIZES)]
    rows = [
        Row(what, whole[what], "ms CPU", floor=tenth[what], floor_is="a tenth of the size", goal=goal)
        for what, goal in GOALS.items()
    ]
    curves = [
        Curve(
            what,
            "live jobs; ten times as many finished",
            "CPU, ms",
            [(float(size), found[size][what]) for size in SIZES],
        )
        for what in GOALS
    ]
    return Result(rows, curves)


def _world(size: int) -> Mapping[str, float]:
    loop = SimLoop(random.Random(1))  # type: ignore[abstract]  # noqa: S311  what nobody asks for raises
    try:
        with capture_logs():
            costs: Mapping[str, float] = loop.run_until_complete(_costs(loop, size))
    finally:
        loop.end()
        gc.unfreeze()
    return costs


async def _costs(loop: SimLoop, size: int) -> Mapping[str, float]:
    fleet = Fleet(size, 10 * size, datetime.fromtimestamp(EPOCH, UTC))
    etcd, hosts = SimEtcd(loop.time), fleet.hosts(lambda: wall(loop.time()))
    await fleet.store(SimStore(etcd, "before", CALM), KEYS)
    etcd.compact(etcd.revision)
    base = Base(
        settings(),
        SimStore(etcd, "leader", CALM),
        KEYS,
        Candidate("r1", "r1"),
        monotonic=loop.time,
        wall=lambda: wall(loop.time()),
        random=secrets.token_bytes,
        connect=lambda _: SimPool(hosts, CALM),
    )
    _set_aside()
    figures = await lead(base)
    _set_aside()
    start, page = await _api(replace(base, store=SimStore(etcd, "api", CALM)))
    return {
        "a pass that plans for all": figures.passes["jobs"],
        "a pass of every loop": sum(figures.passes.values()),
        "a leader's start-up": figures.start,
        "an API's start-up": start,
        "a page of a list": page,
    }


def _set_aside() -> None:
    """Have the collector of garbage not go over what is there: a process of its own would not have it."""
    gc.collect()
    gc.freeze()


async def _api(base: Base) -> tuple[float, float]:
    """CPU milliseconds until it is ready, and of a page."""
    began = time.process_time()
    context = api_context(base, Catalogue(Path("/nowhere")))
    feed: Feed = make_app(context, []).state.feed
    running = asyncio.create_task(context.state.run())
    for mirror in context.state.mirrors.values():
        await mirror.ready.wait()
    start = 1000 * (time.process_time() - began)
    costs = [await _cpu(partial(_page, context, feed)) for _ in range(PAGES)]
    running.cancel()
    await asyncio.wait({running})
    return start, median(costs)


async def _page(context: Context, feed: Feed) -> None:
    page = await list_jobs(context, EVERYBODY, Filter(), limit=100, cursor=None)
    answered = answer_page([feed.document(job) for job in page.items], page.next_cursor)
    assert len(bytes(answered.body)) > 100 * len(page.items) > 0


async def _cpu(work: Callable[[], Awaitable[None]]) -> float:
    """Milliseconds."""
    began = time.process_time()
    await work()
    return 1000 * (time.process_time() - began)
