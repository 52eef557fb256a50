"""A whole service on a sandbox cluster of its own, for a benchmark: posted to and watched as a frontend does it."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from bwvisu.cli.local import LocalService
from tests.bench.table import Say
from tests.support.cluster import whole_sandbox
from tests.support.sse import blocks
from tests.support.waiting import eventually
from tests.support.world import service_in

TEMPLATES = Path(__file__).parents[1] / "support" / "templates"
"""Applications that do as told."""
USERS = ("alice", "bob", "carol")


@contextmanager
def service_on_a_cluster(say: Say, *roles: str, **settings: Any) -> Iterator[LocalService]:
    """Three etcd members over TLS, Slurm, two gateways; ``roles`` run, each as a process of its own.

    ``settings``: see `service_in`; the API is ready where it is one of the roles.
    """
    with TemporaryDirectory(prefix="bwvisu-bench-") as folder:
        say("a sandbox cluster comes up")
        with whole_sandbox(f"test-{os.getpid()}") as box:
            top = {"applications": {"path": str(TEMPLATES)}, **settings}
            with service_in(box, Path(folder), **top) as service:
                for role in roles:
                    service.start(role)
                if "api" in roles:
                    service.wait_until_ready(120)
                yield service


class Jobs:
    """A frontend: it posts, and knows all jobs from one event stream, with the time when it learnt of each change."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client
        self.known: dict[str, dict[str, Any]] = {}
        """Job id -> its newest document."""
        self.first: dict[tuple[str, str], float] = {}
        """(job id, state) -> when the stream first showed it, in seconds since 1970."""
        self.submitted: dict[str, float] = {}
        """Job id -> when the stream first showed its Slurm id (`time.perf_counter`)."""
        self._slots = asyncio.Semaphore(32)

    async def post(self, number: int, application: str, **parameters: Any) -> str:
        """Start a job of one of the users; 32 at most are asked for at once.  Its id."""
        body = {"user": USERS[number % len(USERS)], "application": application, "parameters": parameters}
        async with self._slots:
            answer = await self.client.post("/api/v1/jobs", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def post_many(self, count: int, application: str, **parameters: Any) -> list[str]:
        """So many at once; their ids."""
        return await asyncio.gather(*(self.post(number, application, **parameters) for number in range(count)))

    async def reach(self, ids: list[str], state: str, seconds: float) -> None:
        """Wait until the stream has shown every one of them in this state."""
        await eventually(lambda: all((each, state) in self.first for each in ids), seconds)

    async def end(self, ids: list[str], seconds: float = 300) -> None:
        """Cancel them, and wait until all are finished."""

        async def cancel(job: str) -> None:
            async with self._slots:
                answer = await self.client.delete(f"/api/v1/jobs/{job}")
            assert answer.status_code in {202, 409}, answer.text  # it may have ended by itself

        await asyncio.gather(*map(cancel, ids))
        await self.reach(ids, "finished", seconds)

    def take(self, job: Mapping[str, Any]) -> None:
        """What the stream says of a job."""
        self.known[job["id"]] = dict(job)
        self.first.setdefault((job["id"], job["state"]), time.time())
        if (job["slurm"] or {}).get("job_id"):
            self.submitted.setdefault(job["id"], time.perf_counter())


@asynccontextmanager
async def frontend(service: LocalService) -> AsyncIterator[Jobs]:
    """With its event stream open."""
    headers = {"Authorization": f"Bearer {service.token}"}
    limits = httpx2.Limits(max_connections=64, keepalive_expiry=2)  # before the other side hangs up
    client = httpx2.AsyncClient(base_url=service.url, headers=headers, timeout=60, trust_env=False, limits=limits)
    async with client:
        jobs = Jobs(client)
        port = int(service.settings["api"]["port"])
        async with blocks(port, "/api/v1/events", service.token) as stream:
            following = asyncio.create_task(_follow(stream, jobs.take))
            try:
                yield jobs
            finally:
                following.cancel()


async def _follow(stream: AsyncIterator[Any], take: Callable[[Mapping[str, Any]], None]) -> None:
    async for block in stream:
        if block.event == "job":
            take(json.loads(block.data))
