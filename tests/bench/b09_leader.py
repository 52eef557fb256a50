"""How long nobody leads.

Two reconcilers over the sandbox cluster.  The one that leads is ended by ``kill -9``, or by SIGTERM as a site would;
from then until the other one's first act, which is the first record that etcd takes from the new term of office.  A job
that is posted at that moment is followed, too, until the event stream shows that Slurm has it.  Worst of several times.

A leader that was killed keeps its office for the rest of its lease (``leader.ttl``, here the default of 10 s).
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from signal import SIGKILL, SIGTERM, Signals

import httpx2

from bwvisu.cli.local import LocalService
from bwvisu.roles.base import Base, base
from bwvisu.settings import Settings
from tests.bench.service import Jobs, frontend, service_on_a_cluster
from tests.bench.table import Goal, Result, Row, Say
from tests.support.metrics import Scraped
from tests.support.waiting import eventually, free_port

TIMES = 5
ENDS = {"killed": SIGKILL, "stopped": SIGTERM}
_LEADERS = frozenset({"clusters", "forwards", "notices", "status", "users"})
"""Kinds of records that nobody but a leader writes."""


@dataclass
class Offices:
    """Terms of office as etcd's watch shows them."""

    holder: int = 0
    """Process id of who leads; 0: nobody."""
    acted: float = 0.0
    """When its first record came; 0: none yet.  Both by `time.perf_counter`."""


async def measure(say: Say) -> Result:
    """Kill and stop in turns."""
    with service_on_a_cluster(say, "api", "keyhole") as service:
        settings = Settings.model_validate(service.settings)
        async with base(settings) as world, frontend(service) as jobs, _watched(world) as offices:
            candidates = Candidates(service)
            await candidates.stand()
            await eventually(lambda: offices.acted > 0, 60)
            took: dict[str, list[tuple[float, float]]] = {how: [] for how in ENDS}
            for _ in range(TIMES):
                for how, number in ENDS.items():
                    await candidates.stand()
                    took[how].append(await _change(offices, candidates, jobs, number))
                    act, submitted = took[how][-1]
                    say(f"{how}: first act after {act:.2f} s, a job in Slurm after {submitted:.2f} s")
    limits = {"killed": settings.leader.ttl + 2, "stopped": 1}
    rows = []
    for how, each in took.items():
        act, submitted = (max(column) for column in zip(*each, strict=True))
        rows.append(Row(f"leader {how} → next one's first act", act, "s", goal=Goal("at most", limits[how])))
        rows.append(Row(f"leader {how} → a job posted then is in Slurm", submitted, "s"))
    return Result(rows)


class Candidates:
    """Reconcilers, each with metrics of its own, by which it is known that it stands."""

    def __init__(self, service: LocalService) -> None:
        self._service = service
        self._names: dict[int, str] = {}

    async def stand(self) -> None:
        """A further one."""
        port, name = free_port(), f"reconciler-{free_port()}"
        where = {"BWVISU_LEADER__METRICS__HOST": "127.0.0.1", "BWVISU_LEADER__METRICS__PORT": str(port)}
        self._names[self._service.start("reconciler", name, where)] = name
        await eventually(_answers(f"http://127.0.0.1:{port}"), 60)

    def end(self, process: int, number: Signals) -> str:
        """Signal one; its name, for `LocalService.wait`."""
        name = self._names.pop(process)
        self._service.signal(name, number)
        return name

    async def ended(self, name: str) -> None:
        """Wait until it is gone."""
        await asyncio.to_thread(self._service.wait, name, 60)


def _answers(url: str) -> Callable[[], bool]:
    def answers() -> bool:
        try:
            return Scraped.of(url).sum("bwvisu_leader") is not None
        except httpx2.TransportError:
            return False

    return answers


async def _change(offices: Offices, candidates: Candidates, jobs: Jobs, number: Signals) -> tuple[float, float]:
    """Seconds until the next leader's first act, and until a job that was posted at once is in Slurm."""
    old, began = offices.holder, time.perf_counter()
    name = candidates.end(old, number)
    job = await jobs.post(0, "command", line="sleep 1000")
    await eventually(lambda: offices.holder not in {0, old} and offices.acted > 0, 60)
    acted = offices.acted
    await eventually(lambda: job in jobs.submitted, 60)
    await candidates.ended(name)
    await jobs.end([job])
    return acted - began, jobs.submitted[job] - began


@asynccontextmanager
async def _watched(world: Base) -> AsyncIterator[Offices]:
    offices = Offices()
    revision = (await world.store.list(world.keys.root, limit=1)).revision
    watching = asyncio.create_task(_watch(world, revision + 1, offices))
    try:
        yield offices
    finally:
        watching.cancel()


async def _watch(world: Base, revision: int, offices: Offices) -> None:
    async with aclosing(world.store.watch(world.keys.root, revision)) as news:
        async for batch in news:
            for event in batch.events:
                if event.key == world.keys.leader:
                    held = json.loads(event.entry.value)["name"] if event.entry else ":0"
                    offices.holder, offices.acted = int(held.rpartition(":")[2]), 0.0
                elif world.keys.kind_of(event.key) in _LEADERS and offices.holder and not offices.acted:
                    offices.acted = time.perf_counter()
