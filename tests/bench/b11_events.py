"""How soon a thousand open event streams are told of a change.

One replica of the API as a process of its own, over etcd; the benchmark plays the leader and all the readers, which
are plain sockets.  Each stream follows everything, as an administrator's does: a change then goes to every one of them,
which is the most that it can cost.  (A person's stream is told of that person's sessions only.)  One hundred changes,
one after another: each is timed from before it is written to etcd until each of the streams has it in its reader's
hands, and the next one is written when all have it.  99 of 100 of all these times are no longer than the figure.

The same with one stream, so that the difference is what the others cost.  The reader's own work on a thousand
streams is in the figure; it has a core of its own where the machine has two.
"""

import asyncio
import resource
import time
from contextlib import AsyncExitStack
from functools import partial

from bwvisu.domain.job import JobStatus
from bwvisu.domain.lifecycle import Phase
from tests.bench.replica import accepted, replica
from tests.bench.table import Curve, Goal, Result, Row, Say
from tests.bench.timing import percentile
from tests.contract.api.process import Process
from tests.support.sse import blocks
from tests.support.waiting import eventually

SIZES = (1, 250, 500, 1000)
CHANGES = 100
PHASES = (Phase.QUEUED, Phase.RUNNING)
GOAL = Goal("at most", 250)
"""Milliseconds."""


class Reader:
    """One stream; ``told`` are the times at which it was told of a change."""

    def __init__(self) -> None:
        self.told: list[float] = []
        self.begun = False

    async def follow(self, api: Process) -> None:
        """Read for ever."""
        async with blocks(api.port, "/api/v1/events", "bwv_portal") as stream:
            async for block in stream:
                if block.event == "job":
                    self.told.append(time.perf_counter())
                elif block.event == "snapshot" and block.id:
                    self.begun = True


async def measure(say: Say) -> Result:
    """A row for the difference, one for each number of streams, and the curve of those."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    async with replica(streams=2 * max(SIZES)) as running:
        (job,) = await accepted(running.api, ["alice"])
        found = {size: await _tell(say, running.api, job, size) for size in SIZES}
    first, last = min(SIZES), max(SIZES)
    more = Row(f"{last} streams told, 99 % within, more than one", found[last] - found[first], "ms", goal=GOAL)
    rows = [Row(f"streams: {size}, told of a change, 99 % within", found[size], "ms") for size in SIZES]
    points = [(float(size), milliseconds) for size, milliseconds in found.items()]
    return Result([more, *rows], [Curve("A change is told", "open streams", "99 % within, ms", points)])


async def _tell(say: Say, api: Process, job: str, size: int) -> float:
    """The milliseconds within which 99 of 100 are told."""
    readers = [Reader() for _ in range(size)]
    async with AsyncExitStack() as stack:
        following = [asyncio.create_task(reader.follow(api)) for reader in readers]
        stack.callback(lambda: [task.cancel() for task in following])
        await eventually(lambda: all(reader.begun for reader in readers), 120)
        say(f"{size} streams are open")
        took = []
        for number in range(CHANGES):
            began = time.perf_counter()
            await api.leader.sees(job, JobStatus(phase=PHASES[number % 2]))
            await eventually(partial(_told, readers, number + 1), 60)
            took += [reader.told[number] - began for reader in readers]
    await asyncio.wait(following)
    return 1000 * percentile(took, 99)


def _told(readers: list[Reader], changes: int) -> bool:
    return all(len(reader.told) >= changes for reader in readers)
