"""A leader in office over a `Fleet`: the real loops, run until they leave everything as it is, then pass by pass.

``python -m tests.bench.leader LIVE ENDPOINT…`` is one in a process of its own; it prints what it found as JSON.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from pydantic import BaseModel

from bwvisu.adapters.etcd import Etcd, Mirror
from bwvisu.adapters.records import Keys
from bwvisu.reconcilers.driver import Loop
from bwvisu.reconcilers.leadership import Election, Leadership
from bwvisu.reconcilers.records import Records
from bwvisu.reconcilers.views import JOB_KINDS
from bwvisu.reconcilers.writer import Writer
from bwvisu.roles.base import Base
from bwvisu.roles.cluster import ClusterTerm
from bwvisu.roles.installation import take_over
from bwvisu.roles.metrics import LeaderMetrics
from bwvisu.roles.reconciler import feed
from tests.bench.fleet import Fleet, settings
from tests.simulation.service import CLUSTER
from tests.simulation.ssh import SimPool
from tests.simulation.weather import CALM
from tests.support.waiting import eventually

PASSES = 11
"""Of each loop; the middle one of their costs counts."""
QUIET = 8.0
"""Seconds without a write to a job's record after which everything is as it is to be."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one leader costs.  CPU in milliseconds."""

    start: float
    """From the beginning of its term to the end of the first pass over the jobs."""
    passes: Mapping[str, float]
    """One pass of each loop, by what it does."""
    resident: int
    """Bytes of memory of this process at rest."""
    writes: int
    """Transactions until everything was at rest."""


class AtRest(Exception):
    """The term has come to its end, and this was found."""

    def __init__(self, figures: Figures) -> None:
        super().__init__("at rest")
        self.figures = figures


async def lead(base: Base, quiet: float = QUIET) -> Figures:
    """Be elected, run the term until it is at rest, and take its loops apart."""

    async def work(leadership: Leadership) -> None:
        raise AtRest(await _term(base, leadership, quiet))

    try:
        await Election(base.store, base.keys.leader, base.candidate, ttl=60, now=base.wall).run(work)
    except AtRest as end:
        return end.figures


async def _term(base: Base, leadership: Leadership, quiet: float) -> Figures:
    """As `bwvisu.roles.reconciler.run_term`, but for one cluster, and not for ever."""
    began = time.process_time()
    drawn = await take_over(base.store, base.keys, leadership)
    records = Records(base.keys)
    mirror: Mirror[BaseModel | None] = Mirror(base.store, base.keys.root, records.decode, clock=base.monotonic)
    mirror.on_change(lambda changes: feed(records, mirror, changes))
    metrics = LeaderMetrics(base.registry(), base.monotonic)
    async with AsyncExitStack() as stack:
        mirroring = asyncio.create_task(mirror.run())
        stack.callback(mirroring.cancel)
        await mirror.ready.wait()
        writer = Writer(leadership, records)
        term = await stack.enter_async_context(ClusterTerm.open(CLUSTER, base, drawn, records, writer, metrics))
        running = asyncio.create_task(term.run())
        jobs, loops = term._jobs, (term._watcher.loop, term._jobs, term._quota, term._publish, *term._gateways.all())
        await eventually(lambda: jobs.health.passes > 0, 120)
        start = 1000 * (time.process_time() - began)
        writes = await _rest(base, records, quiet)
        resident = memory()
        running.cancel()
        await asyncio.wait({running})
        return Figures(start, {_does(loop): await _pass(loop) for loop in loops}, resident, writes)


async def _rest(base: Base, records: Records, quiet: float) -> int:
    """Wait until nothing of a job has been written for a while; how much was."""
    last, count = base.monotonic(), 0

    def note(kind: str, _: str) -> None:
        nonlocal last, count
        if kind in JOB_KINDS:
            last, count = base.monotonic(), count + 1

    records.listen(note)
    await eventually(lambda: base.monotonic() - last > quiet, 300)
    return count


async def _pass(loop: Loop) -> float:
    """CPU milliseconds of one pass: nothing else of the process runs."""
    costs = []
    for _ in range(PASSES):
        began = time.process_time()
        await loop._body()
        costs.append(1000 * (time.process_time() - began))
    return median(costs)


def _does(loop: Loop) -> str:
    return loop.name.removesuffix(f":{CLUSTER}")


def memory() -> int:
    """Bytes of memory that this process occupies."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return 1024 * int(found[1]) if found else 0


async def _alone(live: int, endpoints: list[str]) -> Figures:
    """A leader over real etcd, whose records it brings along."""
    fleet = Fleet(live, 0, datetime.now(UTC).replace(microsecond=0))
    keys = Keys("/bench")
    async with Etcd(endpoints) as store:
        await fleet.store(store, keys)
        hosts = fleet.hosts(lambda: datetime.now(UTC))
        return await lead(Base(settings(), store, keys, connect=lambda _: SimPool(hosts, CALM)))


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(_alone(int(sys.argv[1]), sys.argv[2:])))))
