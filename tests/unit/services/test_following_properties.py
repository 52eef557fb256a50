"""Whatever readers do, and whatever becomes of replicas and of history: nothing is missed, nothing told twice."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bwvisu.adapters.etcd import Delete, Operation, Put
from bwvisu.adapters.records import Keys, encode
from bwvisu.domain.cluster import Installation
from bwvisu.domain.job import JobSpec, JobStatus
from bwvisu.services.events import Event, Interest, Part, Position, Resync, Snapshot
from bwvisu.services.feed import Feed, Limits
from bwvisu.services.following import Stream
from bwvisu.services.state import Job, State
from tests.unit.services.direct_store import DirectStore

KEYS = Keys()
OWNER = {"j1": "alice", "j2": "alice", "j3": "bob"}
INTERESTS = (Interest(), Interest(user="alice"), Interest("j3"), Interest(cluster="elsewhere"))
LIMITS = Limits(heartbeat=0.0, moments=6, depth=4)


def render(job: Job) -> bytes:
    return f"{job.spec.id} {job.revision} {job.status.attempt}".encode()


def spec(job_id: str) -> Put:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    record = JobSpec(
        id=job_id, user=OWNER[job_id], application="x", cluster="main", parameters={}, bundle="", created_at=at
    )
    return Put(KEYS.spec(job_id), encode(record))


class Replica:
    """One process of the service."""

    def __init__(self, store: DirectStore) -> None:
        self.state = State(store, KEYS, history=5)
        self.feed = Feed(self.state, render, LIMITS)
        self._running = asyncio.create_task(self.state.run())

    async def stop(self) -> None:
        self.feed.close()
        self._running.cancel()
        await asyncio.wait([self._running])


@dataclass
class Reader:
    """A client that comes back: what it has, and what it was told since its last snapshot."""

    interest: Interest
    jobs: dict[str, bytes] = field(default_factory=dict)
    told: list[Event] = field(default_factory=list)
    last_id: str | None = None
    since: int = 0
    """Revision of its last whole snapshot."""
    parts: AsyncIterator[Sequence[Part]] | None = None
    leave: Any = None

    def connect(self, replica: Replica) -> None:
        self.hang_up()
        stream = Stream(replica.feed, self.interest, self.last_id)
        self.leave = stream.__exit__
        self.parts = stream.parts()
        seen = Position.parse(self.last_id).revision if self.last_id else 0  # type: ignore[union-attr]
        self.told = [event for event in self.told if event.revision <= seen]

    def hang_up(self) -> None:
        if self.leave is not None:
            self.leave(None, None, None)
        self.leave = self.parts = None

    async def read(self, most: int) -> bool:
        """Take some of what is next, and hang up where that is not all; False: there is nothing at present."""
        if self.parts is None:
            return False
        some = await anext(self.parts, None)
        if some is None:
            self.hang_up()
            return False
        for part in some[:most]:
            self._take(part)
        if len(some) > most:
            self.hang_up()
        return any(isinstance(part, Event | Snapshot | Resync) for part in some)

    def _take(self, part: Part) -> None:
        match part:
            case Resync():
                self.jobs.clear()
                self.told.clear()
                self.last_id = None
            case Snapshot(documents, revision):
                self.jobs.update({document.split()[0].decode(): document for document in documents})
                self.told.clear()
                self._passed(revision)
                self.since = revision or 0
            case Event():
                self.told.append(part)
                self.jobs[part.job_id] = part.document or b""
                if part.document is None:
                    del self.jobs[part.job_id]
                self._passed(part.revision if part.last else None)
            case _:
                self._passed(part.revision)

    def _passed(self, revision: int | None) -> None:
        if revision is not None:
            self.last_id = f"1.{revision}"


class World:
    def __init__(self) -> None:
        self.store = DirectStore()
        self.store.do(Put(KEYS.installation, encode(Installation(id="abcdefgh"))))
        self.replicas = [Replica(self.store), Replica(self.store)]
        self.readers = [Reader(interest) for interest in INTERESTS]
        self.truth: list[tuple[int, str, bytes | None]] = []
        """(revision, job, document) of every change."""

    def change(self, *jobs: str, forget: bool) -> None:
        """One transaction: each job is accepted, seen anew, or forgotten."""
        entries = self.store.history.entries
        operations: list[Operation] = []
        now = len(self.truth)
        for job in jobs:
            if KEYS.spec(job) not in entries:
                operations.append(spec(job))
            elif forget:
                operations += [Delete(KEYS.spec(job)), Delete(KEYS.status(job))]
            else:
                status = JobStatus(attempt=now)
                operations.append(Put(KEYS.status(job), encode(status)))
        revision = self.store.do(*operations).revision
        for job in sorted(set(jobs)):
            here = KEYS.spec(job) in entries
            attempt = now if here and KEYS.status(job) in entries else 0
            self.truth.append((revision, job, f"{job} {revision} {attempt}".encode() if here else None))

    async def do(self, verb: str, which: int, most: int) -> None:
        reader, replica = self.readers[which % len(self.readers)], which % 2
        match verb:
            case "change":
                jobs = {f"j{which % 3 + 1}", f"j{which % 2 + 1}"} if most == 3 else {f"j{which % 3 + 1}"}
                self.change(*sorted(jobs), forget=most == 1)
            case "connect":
                await self.settle()
                self._connect(reader, self.replicas[replica])
            case "read":
                await reader.read(most)
            case "hang up":
                reader.hang_up()
            case "restart":
                await self.replicas[replica].stop()
                self.replicas[replica] = Replica(self.store)
                await self.settle()
            case "compact" if self.store.history.compacted < self.store.history.revision:
                await self.settle()  # a watch that begins at a removal which is then compacted never hears of it
                self.store.history.compact(self.store.history.revision)

    async def settle(self) -> None:
        """Let every replica hear what was said, and what will be."""
        last = self.truth[-1][0] if self.truth else 0
        watches = sum(len(each.state.mirrors) for each in self.replicas)
        async with asyncio.timeout(20):
            while self.store.watches < watches or not all(  # noqa: ASYNC110
                each.state.ready and each.state.jobs.revision >= last for each in self.replicas
            ):
                await asyncio.sleep(0)  # noqa: TID251 a turn of the loop, no time

    async def check(self) -> None:
        """Everybody reads to the end: what they have is what is, and what they were told is what happened."""
        await self.settle()
        for reader in self.readers:
            if reader.parts is None:
                self._connect(reader, self.replicas[0])
            while await reader.read(99):
                pass
            if reader.parts is not None:
                ours = [change for change in self.truth if self._concerns(reader, change[1])]
                assert reader.jobs == {job: document for _, job, document in ours if self._is_last(job, document)}
                told = [(event.revision, event.job_id, event.document) for event in reader.told]
                assert told == [change for change in ours if change[0] > reader.since]

    def _connect(self, reader: Reader, replica: Replica) -> None:
        """The API refuses to follow one job that does not exist."""
        job_id = reader.interest.job_id
        if job_id is None or KEYS.spec(job_id) in self.store.history.entries:
            reader.connect(replica)

    @staticmethod
    def _concerns(reader: Reader, job: str) -> bool:
        return reader.interest.admits(Event(0, job, OWNER[job], "main", None))

    def _is_last(self, job: str, document: bytes | None) -> bool:
        return document is not None and [each for _, one, each in self.truth if one == job][-1] == document

    async def close(self) -> None:
        for reader in self.readers:
            reader.hang_up()
        for replica in self.replicas:
            await replica.stop()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["change", "change", "change", "connect", "read", "read", "hang up", "restart", "compact"]),
        st.integers(0, 11),
        st.integers(1, 3),
    ),
    max_size=40,
)


@given(STEPS)
def test_nothing_is_missed_and_nothing_told_twice(steps: list[tuple[str, int, int]]) -> None:
    async def play() -> None:
        world = World()
        await world.settle()
        for step in steps:
            await world.do(*step)
        await world.check()
        await world.close()

    asyncio.run(play())
