"""A thousand event streams on two replicas, the changes of 500 jobs, and each replica replaced in the middle.

The test is the leader: it writes what becomes of the jobs.  Each stream must tell every change that is its own exactly
once and in order, across all its connections, and without ever having to begin anew.
"""

import asyncio
import json
import resource
import secrets
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

import pytest

from bwvisu.adapters.etcd import Delete, Etcd, Operation, Put
from bwvisu.adapters.records import Keys, encode
from bwvisu.domain.job import JobSpec, JobStatus, SlurmView
from bwvisu.domain.lifecycle import Phase
from tests.contract.api.replica import Replica
from tests.support.etcd import EtcdCluster
from tests.support.sse import Block, Refused, blocks
from tests.support.waiting import eventually

JOBS, USERS = 500, 50
OF_A_USER, OF_A_JOB, OF_ALL = 870, 100, 30
PHASES = (Phase.SUBMITTING, Phase.QUEUED, Phase.RUNNING, Phase.READY, Phase.ENDING, Phase.FINISHED)
WRITERS = 8
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Change:
    """What was written, or told: ``state`` None: the job was forgotten."""

    revision: int
    job: str
    state: str | None


class Leader:
    """Leads every job from its acceptance to its removal, as far as it is allowed to."""

    def __init__(self, store: Etcd, keys: Keys) -> None:
        self.written: list[Change] = []
        self.at: dict[int, float] = {}
        """Revision -> when it was surely stored."""
        self.allowed = 0.0
        """How much of all jobs' lives may have happened."""
        self.pause = 0.0
        """Seconds that a writer rests after each change."""
        self._store = store
        self._keys = keys

    @property
    def progress(self) -> float:
        """How much of all jobs' lives has happened."""
        return len(self.written) / (JOBS * (len(PHASES) + 2))

    async def run(self) -> None:
        """Write everything."""
        lanes = [range(lane, JOBS, WRITERS) for lane in range(WRITERS)]
        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                group.create_task(self._write(lane))

    async def _write(self, jobs: range) -> None:
        for step in range(len(PHASES) + 2):
            for number in jobs:
                await eventually(lambda: self.progress < self.allowed, 120)
                await self._step(number, step)
                await asyncio.sleep(self.pause)  # noqa: TID251 how soon is told what happens at a known rate?

    async def _step(self, number: int, step: int) -> None:
        job = job_id(number)
        if step == 0:
            await self._commit(job, "accepted", Put(self._keys.spec(job), encode(spec(number))))
        elif step <= len(PHASES):
            phase = PHASES[step - 1]
            status = JobStatus(phase=phase, attempt=1, slurm=SlurmView(job_id=number, state="RUNNING", nodes=("n1",)))
            await self._commit(job, phase.state.value, Put(self._keys.status(job), encode(status)))
        else:
            await self._commit(job, None, Delete(self._keys.spec(job)), Delete(self._keys.status(job)))

    async def _commit(self, job: str, state: str | None, *operations: Operation) -> None:
        revision = (await self._store.commit([], operations)).revision
        self.at[revision] = time.monotonic()
        self.written.append(Change(revision, job, state))


def job_id(number: int) -> str:
    return f"01jd0000000000000000000{number:03}"


def user(number: int) -> str:
    return f"user{number % USERS:02}"


def spec(number: int) -> JobSpec:
    return JobSpec(
        id=job_id(number),
        user=user(number),
        application="terminal",
        cluster="main",
        parameters={"minutes": 60, "cores": 1, "memory": 0, "directory": "", "partition": ""},
        bundle="0" * 64,
        created_at=AT,
    )


@dataclass
class Reader:
    """One stream, however many connections it takes."""

    path: str
    own: range
    """Jobs, by number, that it is to tell of."""
    ports: Iterator[int]
    """Where to try next."""
    since: int = 0
    """Revision of its snapshot."""
    snapshots: int = 0
    resyncs: int = 0
    connections: int = 0
    told: list[Change] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    last_id: str | None = None

    async def run(self, leader: Leader) -> None:
        """Follow for ever, or until the one job that it is about is gone."""
        while True:
            with suppress(ConnectionError, Refused):
                async with blocks(next(self.ports), self.path, "bwv_reader", self.last_id) as stream:
                    self.connections += 1
                    async for block in stream:
                        self._take(block, leader)
            if "/jobs/" in self.path and self.told and self.told[-1].state is None:
                return

    def _take(self, block: Block, leader: Leader) -> None:
        match block.event:
            case "snapshot" if block.id:  # its last part
                self.snapshots += 1
                self.since = int(block.id.partition(".")[2])
            case "resync":
                self.resyncs += 1
            case "job" | "removed":
                change = parse(block.data)
                self.told.append(change)
                self.lags.append(max(0.0, time.monotonic() - leader.at.get(change.revision, time.monotonic())))
        self.last_id = block.id or self.last_id

    def wanted(self, leader: Leader) -> list[Change]:
        """What must have been told."""
        ours = [each for each in leader.written if each.revision > self.since and int(each.job[-3:]) in self.own]
        return sorted(ours, key=lambda change: change.revision)


_parsed: dict[bytes, Change] = {}


def parse(data: bytes) -> Change:
    """Read a document; the same bytes come on many streams."""
    if data not in _parsed:
        document = json.loads(data)
        _parsed[data] = Change(document["revision"], document["id"], document.get("state"))
    return _parsed[data]


def make_readers(ports: list[int]) -> list[Reader]:
    """Most follow one person, some one job, some everything; half of them begin at each replica."""

    def turns(number: int) -> Iterator[int]:
        while True:
            yield ports[number % 2]
            number += 1

    follow = [(f"/api/v1/events?user={user(number)}", range(number, JOBS, USERS)) for number in range(USERS)]
    paths = [follow[number % USERS] for number in range(OF_A_USER)]
    paths += [(f"/api/v1/jobs/{job_id(number)}/events", range(number, number + 1)) for number in range(OF_A_JOB)]
    paths += [("/api/v1/events", range(JOBS))] * OF_ALL
    return [Reader(path, own, turns(number)) for number, (path, own) in enumerate(paths)]


@pytest.fixture
def many_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
async def store(etcd: EtcdCluster) -> AsyncIterator[Etcd]:
    async with Etcd(etcd.endpoints) as opened:
        yield opened


@pytest.mark.timeout(900)
async def test_fault_31_a_thousand_streams_tell_everything_through_restarts(
    etcd: EtcdCluster, store: Etcd, tmp_path: Path, many_files: None, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = f"/test-{secrets.token_hex(6)}"
    replicas = [Replica(tmp_path, etcd.endpoints, prefix) for _ in range(2)]
    try:
        for replica in replicas:
            replica.start()
        for replica in replicas:
            await asyncio.to_thread(replica.wait)
        await play(Leader(store, Keys(prefix)), replicas, capsys)
    finally:
        for replica in replicas:
            replica.stop(signal.SIGKILL)


async def play(leader: Leader, replicas: list[Replica], capsys: pytest.CaptureFixture[str]) -> None:
    """The whole of it."""
    writing = asyncio.create_task(leader.run())
    leader.allowed = 0.125  # all are accepted
    await reached(leader, writing)
    readers = make_readers([replica.port for replica in replicas])
    idle = [replica.resident for replica in replicas]
    reading = [asyncio.create_task(reader.run(leader)) for reader in readers]
    await eventually(lambda: all(reader.snapshots for reader in readers), 120)
    memory = (sum(replica.resident for replica in replicas) - sum(idle)) / len(readers) / 1024
    leader.allowed, leader.pause = 0.2, WRITERS / 100
    calm = await measured(readers, leader, writing)
    leader.allowed, leader.pause = 0.4, 0.0
    storm = await measured(readers, leader, writing)
    for replica, number, until in zip(replicas, (signal.SIGKILL, signal.SIGTERM), (0.6, 0.8), strict=True):
        code = await asyncio.to_thread(replica.stop, number)
        assert code in {0, -signal.SIGKILL}
        leader.allowed = until
        replica.start()
        await reached(leader, writing)
        await asyncio.to_thread(replica.wait)
    leader.allowed = 1.1
    await writing
    await caught_up(readers, leader)
    for task in reading:
        task.cancel()
    await asyncio.wait(reading)
    with capsys.disabled():
        print(f"\n{len(readers)} streams of {memory:.0f} KiB; 100 changes/s: {calm}; at once: {storm}")
    for reader in readers:
        assert reader.told == reader.wanted(leader)
        assert (reader.snapshots, reader.resyncs) == (1, 0)
    assert sum(reader.connections for reader in readers) > 2.5 * len(readers) - OF_A_JOB


async def measured(readers: list[Reader], leader: Leader, writing: asyncio.Task[None]) -> str:
    """Let the leader go on as far as it may, and say how soon that was told."""
    for reader in readers:
        reader.lags.clear()
    began = time.monotonic()
    await reached(leader, writing)
    await caught_up(readers, leader)
    seconds = time.monotonic() - began
    lags = [lag for reader in readers for lag in reader.lags]
    hundredths = quantiles(lags, n=100)
    return (
        f"{len(lags)} events in {seconds:.1f} s ({len(lags) / seconds:.0f}/s), "
        f"half told within {hundredths[49]:.3f} s, 99 % within {hundredths[98]:.3f} s"
    )


async def reached(leader: Leader, writing: asyncio.Task[None]) -> None:
    """Wait until as much has happened as may."""
    await eventually(lambda: leader.progress >= leader.allowed or writing.done(), 120)


async def caught_up(readers: list[Reader], leader: Leader) -> None:
    """Wait until every stream has told all that there is."""
    due = sum(len(reader.wanted(leader)) for reader in readers)
    await eventually(lambda: sum(len(reader.told) for reader in readers) >= due, 120)
