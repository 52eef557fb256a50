"""How long a page of the portal takes while 300 pages are open and their sessions move.

Etcd, the API and the portal are processes as a site runs them; the benchmark plays the leader and the browsers.  Each
page is asked for 100 times, one by one, from the request to the whole answer, over loopback: first while no page is
open, then while 300 pages of 100 persons follow their sessions, then while, in addition, 20 sessions change in each
second.  The pages are those of a person with 100 sessions who is an administrator, too, so that no list is shorter than
a page of it.  95 of 100 answers take no longer than the figure.

The goal is on the busiest of the three; no floor was measured, since a promise to people is in milliseconds.
"""

import asyncio
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx2
import yaml
from cryptography.fernet import Fernet

from bwvisu.domain.job import JobStatus
from bwvisu.domain.lifecycle import Phase
from bwvisu.portal.session import Person, Sealer
from tests.bench.line import Line, lines
from tests.bench.replica import accepted, replica
from tests.bench.table import Goal, Result, Row, Say
from tests.bench.timing import durations, percentile
from tests.contract.api.process import Process
from tests.support.sse import blocks
from tests.support.waiting import eventually, eventually_true, free_port

STREAMS, PERSONS, JOBS_EACH = 300, 100, 3
MANY = 100
"""Sessions of the one whose pages are timed: as many as a page shows."""
ROUNDS = 100
CHANGES_PER_SECOND = 20
PAGES: Mapping[str, str] = {
    "home": "/",
    "applications": "/applications",
    "a form": "/applications/terminal",
    "a session": "/sessions/{job}",
    "administration": "/admin",
    "all sessions": "/admin/sessions",
    "the trail": "/admin/audit",
}
PROMISE = Goal("at most", 100)
"""Milliseconds."""


async def measure(say: Say) -> Result:
    """A row for each page."""
    async with replica() as running, serving_portal(running.api, running.folder) as (url, sealer):
        cookies = [cookie(sealer, number) for number in range(PERSONS)]
        say("sessions are started")
        numbers = (*range(PERSONS * JOBS_EACH), *[0] * (MANY - JOBS_EACH))
        jobs = await accepted(running.api, [f"user{number % PERSONS}" for number in numbers])
        pages = Pages(url, cookies)
        async with asyncio.TaskGroup() as group:
            await timed(say, url, cookies[0], jobs[0], "no page open")
            following = [group.create_task(pages.follow(number)) for number in range(STREAMS)]
            await eventually(lambda: all(pages.told), 60)
            assert await pages.all_open()
            await timed(say, url, cookies[0], jobs[0], f"{STREAMS} pages open")
            changing = group.create_task(change_jobs(running.api, jobs))
            before = sum(pages.told)
            began = time.monotonic()
            took = await timed(say, url, cookies[0], jobs[0], f"{STREAMS} pages open, {CHANGES_PER_SECOND} changes/s")
            told = (sum(pages.told) - before) / (time.monotonic() - began)
            for task in (*following, changing):
                task.cancel()
        assert told > 0
    rows = [Row(f"{name}, 95 % within", each, "ms", goal=PROMISE) for name, each in took.items()]
    return Result([*rows, Row("events told to the open pages meanwhile", told, "events/s")])


@asynccontextmanager
async def serving_portal(api: Process, folder: Path) -> AsyncIterator[tuple[str, Sealer]]:
    """A portal in a process of its own; its address, and what makes sessions of it."""
    port, key = free_port(), Fernet.generate_key().decode()
    (folder / "token").write_text("bwv_portal")
    (folder / "key").write_text(key)
    own = {
        "port": port,
        "api_url": api.url,
        "token_file": str(folder / "token"),
        "session_key_file": str(folder / "key"),
        "auth": {"kind": "local"},
    }
    settings = yaml.safe_load((folder / "bwvisu.yaml").read_text()) | {"portal": own}
    (folder / "portal.yaml").write_text(yaml.safe_dump(settings))
    argv = [sys.executable, "-m", "bwvisu", "serve", "portal", "--config", str(folder / "portal.yaml")]
    with (folder / "portal.log").open("wb") as log:
        running = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: ASYNC220
    try:
        url = f"http://127.0.0.1:{port}"
        await eventually_true(lambda: _ready(url), 60)
        yield url, Sealer(key)
    finally:
        running.terminate()
        running.wait(60)


async def _ready(url: str) -> bool:
    async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        try:
            return (await client.get("/readyz")).status_code == 200
        except httpx2.TransportError:
            return False


def cookie(sealer: Sealer, number: int) -> str:
    """Of somebody who has signed in; the first is an administrator."""
    name = f"user{number}"
    person = Person(user=name, name=name, administrator=number == 0, clusters=("main",))
    session = {"person": person.model_dump(mode="json"), "csrf": secrets.token_urlsafe(18), "at": int(time.time())}
    return f"bwvisu={sealer.seal(session)}"


class Pages:
    """Open pages: each follows its person's sessions."""

    def __init__(self, url: str, cookies: Sequence[str]) -> None:
        self._url = url
        self._port = int(url.rpartition(":")[2])
        self._cookies = cookies
        self.told = [0] * STREAMS
        """How many events each was told."""

    async def follow(self, number: int) -> None:
        """Read one page's stream for ever."""
        async with blocks(self._port, "/events", "none", cookie=self._cookies[number % PERSONS]) as stream:
            async for block in stream:
                self.told[number] += block.event == "sessions"

    async def all_open(self) -> bool:
        """Whether the portal says so."""
        async with httpx2.AsyncClient(base_url=self._url, trust_env=False) as client:
            return f"bwvisu_portal_event_streams {STREAMS}.0" in (await client.get("/metrics")).text


async def change_jobs(api: Process, jobs: Sequence[str]) -> None:
    """A cluster at work."""
    phases = (Phase.QUEUED, Phase.RUNNING, Phase.READY)
    for turn in range(10**9):
        await api.leader.sees(jobs[turn % len(jobs)], JobStatus(phase=phases[turn // len(jobs) % 3]))
        await asyncio.sleep(1 / CHANGES_PER_SECOND)  # noqa: TID251 the rate is part of what is measured


async def timed(say: Say, url: str, cookie: str, job: str, state: str) -> dict[str, float]:
    """By page: the milliseconds within which 95 of 100 answers are there."""
    took = {}
    async with lines(int(url.rpartition(":")[2]), 1, {"Cookie": cookie}) as (line,):
        for name, path in PAGES.items():
            found = await durations(partial(_page, line, path.format(job=job)), ROUNDS)
            took[name] = 1000 * percentile(found, 95)
            say(f"{state}: {name}: half within {1000 * percentile(found, 50):.1f} ms, 95 % within {took[name]:.1f} ms")
    return took


async def _page(line: Line, path: str, _: int) -> None:
    await line.ask(path)
