"""How long a running job waits for its ports.

Jobs run on the sandbox cluster, and the benchmark speaks for them: a signed request to the keyhole API, which answers
once the leader has granted a port and the gateway's kernel has the rule.  First one request after the other, in turns
with the floor: one more rule piped into bare ``nft -f -`` or ``iptables-restore`` over an open SSH connection to a
gateway.  Requests come 1.3 s apart, so that most find, as in a site's everyday life, that Slurm was not looked at
within the last second and may be at once.  Then 200 jobs ask at once, while ``nft monitor`` counts the rule sets that
each gateway's kernel takes.

Both packet filters, each with a cluster of its own.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import httpx2

from bwvisu.cli.local import LocalService
from bwvisu.roles.base import Base, base
from bwvisu.settings import Settings
from keyhole.auth import attempt_key
from keyhole.nat.model import Backend
from tests.bench.gateway import FILTERS, Gateway, connected
from tests.bench.service import frontend, service_on_a_cluster
from tests.bench.table import Goal, Result, Row, Say
from tests.support.keyhole_api import signed
from tests.support.traffic import GATEWAYS, Transactions

ALONE, AT_ONCE = 30, 200
POLL = 5
"""Seconds between two looks at Slurm where nobody asks for one: the default, unlike in tests."""
PAUSE = 1.3
"""Seconds between two single requests."""
OWN_PORTS = 20_000
"""Where the floor's rules begin: below the service's."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A running job, as the keyhole knows it."""

    id: str
    key: str
    run: dict[str, Any]

    async def ask(self, client: httpx2.AsyncClient) -> float:
        """Ask for a port, once; seconds until it was there."""
        path = f"/keyhole/v1/jobs/{self.id}/forwards"
        body = json.dumps({"attempt": 1, "restart": 0, "ports": 1, **self.run}).encode()
        began, status = time.perf_counter(), 202
        while status == 202:  # the keyhole answers "not yet" after 25 s
            answer = await client.post(path, content=body, headers=signed(path, body, key=self.key))
            status = answer.status_code
        assert status == 200, answer.text
        return time.perf_counter() - began


async def measure(say: Say) -> Result:
    """Both packet filters."""
    rows = []
    for backend in FILTERS:
        chosen = {"forwards": {"backend": backend}, "slurm": {"poll_interval": POLL}}
        with service_on_a_cluster(say, "api", "keyhole", "reconciler", cluster=chosen) as service:
            rows += await _measured(service, backend, say)
    return Result(rows)


async def _measured(service: LocalService, backend: Backend, say: Say) -> list[Row]:
    async with (
        base(Settings.model_validate(service.settings)) as world,
        connected(service.box, OWN_PORTS) as gateways,
        httpx2.AsyncClient(
            base_url=service.settings["keyhole"]["public_urls"][0],
            trust_env=False,
            timeout=60,
            limits=httpx2.Limits(max_connections=AT_ONCE, keepalive_expiry=2),
        ) as client,
    ):
        callers = await _callers(service, world)
        say(f"{len(callers)} jobs run")
        alone, bare = await _one_by_one(callers[:ALONE], client, gateways["gw1", backend])
        say(f"{backend}, one by one: {alone:.0f} ms, bare {bare:.0f} ms")
        with Transactions(service.box) as taken:
            before = {gateway: taken.on(gateway) for gateway in GATEWAYS}
            waited = await asyncio.gather(*(caller.ask(client) for caller in callers[ALONE:]))
            most = max(taken.on(gateway) - before[gateway] for gateway in GATEWAYS)
        last = 1000 * quantiles(waited, n=100)[-1]
    say(f"{backend}, {len(waited)} at once: p99 {last:.0f} ms, {most} transactions on a gateway")
    what, many = f"request for a port, {backend}", f"{len(waited)} at once"
    return [
        Row(f"{what}, p50", alone, "ms", bare, "one bare rule over SSH", Goal("at most", 4)),
        Row(f"{what}, {many}, p99", last, "ms"),
        Row(f"{what}, {many}", most, "transactions on a gateway", goal=Goal("at most", 10)),
    ]


async def _callers(service: LocalService, world: Base) -> list[Caller]:
    """Jobs that run and have asked for nothing yet."""
    async with frontend(service) as jobs:
        ids = await jobs.post_many(ALONE + AT_ONCE, "command", line="sleep 3000", minutes=60)
        await jobs.reach(ids, "available", 300)
        found = []
        for job in ids:
            sealed = await world.store.get(world.keys.secret(job))
            assert sealed
            slurm = jobs.known[job]["slurm"]
            run = {"slurm_job_id": slurm["job_id"], "hosts": slurm["nodes"]}
            found.append(Caller(job, attempt_key(world.vault.open(job, sealed.value), 1), run))
        return found


async def _one_by_one(callers: list[Caller], client: httpx2.AsyncClient, gateway: Gateway) -> tuple[float, float]:
    """Medians in milliseconds, ours and the floor's, which take turns."""
    asked, bare = [], []
    few, more = gateway.table(10), gateway.table(11)
    for caller in callers:
        asked.append(await caller.ask(client))
        await gateway.become(few)
        bare.append(await gateway.bare(gateway.render(more, await gateway.actual())))
        await asyncio.sleep(PAUSE)  # noqa: TID251 the rate is part of what is measured
    await gateway.empty()
    return 1000 * median(asked), 1000 * median(bare)
