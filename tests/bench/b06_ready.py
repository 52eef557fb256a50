"""How soon users may come once an application listens.

Jobs on the sandbox cluster note when they begin to listen at the port that they were given; an open event stream of the
API notes when it shows them as ``available``; both by this machine's clock.  Between the two lie the job's own report,
two good probes of the gateway, the leader's record and the stream.  One job at a time, then 200 that start at once.

While the 200 are open it is counted, from the leader's metrics, how many SSH sessions the gateways were asked for, and
how many passes the loops over the gateways made: a tick is one session however many services lie behind a gateway.
"""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bwvisu.cli.local import LocalService
from tests.bench.service import Jobs, frontend, service_on_a_cluster
from tests.bench.table import Goal, Result, Row, Say
from tests.support.metrics import Scraped
from tests.support.waiting import free_port, until

ALONE, AT_ONCE = 15, 200
TICKS = 40
"""Passes of a probing loop that are waited for: about 20 s."""
_APPLICATIONS = Path(__file__).parent / "templates"
_LOOPS = ("probe", "knock", "activity", "sync")
"""Those that ask gateways."""


async def measure(say: Say) -> Result:
    """One by one, then all at once."""
    port = free_port()
    settings = {
        "leader": {"metrics": {"host": "127.0.0.1", "port": port}},
        "applications": {"path": str(_APPLICATIONS)},
    }
    with service_on_a_cluster(say, "api", "keyhole", "reconciler", **settings) as service:
        async with frontend(service) as jobs:
            ids = [job for _ in range(ALONE) for job in await _started(jobs, 1)]
            alone = _seconds(service, jobs, ids)
            await jobs.end(ids)
            say(f"one at a time: {median(alone):.2f} s")
            ids = await _started(jobs, AT_ONCE)
            together = _seconds(service, jobs, ids)
            say(f"{AT_ONCE} at once: {median(together):.2f} s, at most {max(together):.2f} s")
            sessions, passes = await _counted(f"http://127.0.0.1:{port}", service)
            say(f"{sessions:.0f} SSH sessions in {passes:.0f} passes over the gateways")
            await jobs.end(ids)
    listens = "listening → available, p50"
    return Result([
        Row(f"{listens}, one job", median(alone), "s", goal=Goal("at most", 1.0)),
        Row(f"{listens}, {AT_ONCE} starting jobs", median(together), "s", goal=Goal("at most", 2.5)),
        Row(f"SSH sessions per gateway and tick, {AT_ONCE} services", sessions / passes, "", goal=Goal("at most", 1.0)),
    ])  # fmt: skip


async def _started(jobs: Jobs, count: int) -> list[str]:
    """Jobs that are available."""
    ids = await jobs.post_many(count, "clocked")
    await jobs.reach(ids, "available", 600)
    return ids


def _seconds(service: LocalService, jobs: Jobs, ids: Sequence[str]) -> list[float]:
    """From each job's own note to the stream's word."""
    homes = service.box.folder / "home"
    found = []
    for job in ids:
        told = (homes / jobs.known[job]["user"] / f"bwvisu-job-{job}.out").read_text()
        since = re.search(r"^listening since ([0-9.]+)$", told, re.MULTILINE)
        assert since, told
        found.append(jobs.first[job, "available"] - float(since[1]))
    return found


async def _counted(url: str, service: LocalService) -> tuple[float, float]:
    """SSH sessions, and passes of all loops that ask gateways, of all gateways together."""
    hosts = [gateway["host"] for gateway in service.settings["clusters"]["main"]["gateways"]]
    before = await asyncio.to_thread(Scraped.of, url)
    after = [before]

    def enough() -> bool:
        after.append(Scraped.of(url))
        return _passes(after[-1], "probe") - _passes(before, "probe") >= TICKS * len(hosts)

    await asyncio.to_thread(until, enough, 120, "as many ticks")
    sessions = sum(_sessions(after[-1], host) - _sessions(before, host) for host in hosts)
    return sessions, sum(_passes(after[-1], loop) - _passes(before, loop) for loop in _LOOPS)


def _passes(seen: Scraped, loop: str) -> float:
    return seen.sum("bwvisu_loop_passes_total", loop=loop) or 0


def _sessions(seen: Scraped, host: str) -> float:
    return seen.sum("bwvisu_ssh_calls_total", host=host) or 0
