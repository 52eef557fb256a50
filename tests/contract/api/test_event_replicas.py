"""Event streams of replicas that stop, start, and find etcd's history shortened."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bwvisu.adapters.etcd import Etcd, Put
from bwvisu.adapters.records import Keys, encode
from bwvisu.domain.job import JobSpec, JobStatus
from tests.contract.api.replica import Replica
from tests.support.etcd import EtcdCluster
from tests.support.sse import Block, blocks
from tests.support.waiting import eventually

SPEC = JobSpec(
    id="01jd0000000000000000000000",
    user="alice",
    application="x",
    cluster="main",
    parameters={},
    bundle="",
    created_at=datetime(2026, 11, 22, tzinfo=UTC),
)


class Desk:
    """Two replicas, and the leader's hand."""

    def __init__(self, store: Etcd, keys: Keys, replicas: list[Replica]) -> None:
        self.replicas = replicas
        self._store = store
        self._keys = keys

    async def accept(self) -> int:
        return (await self._store.commit([], [Put(self._keys.spec(SPEC.id), encode(SPEC))])).revision

    async def see(self, attempt: int) -> int:
        status = encode(JobStatus(attempt=attempt))
        return (await self._store.commit([], [Put(self._keys.status(SPEC.id), status)])).revision

    async def started(self, *which: int) -> None:
        for number in which:
            self.replicas[number].start()
        for number in which:
            await asyncio.to_thread(self.replicas[number].wait)

    async def read(self, which: int, last_id: str | None, many: int) -> list[Block]:
        """The next events at one of the replicas."""
        found: list[Block] = []
        port = self.replicas[which].port
        async with asyncio.timeout(30), blocks(port, "/api/v1/events", "bwv_reader", last_id) as stream:
            while len(found) < many:
                block = await anext(stream)
                found += [block] if block.event else []
        return found


@pytest.fixture
def own_etcd() -> Iterator[EtcdCluster]:
    with EtcdCluster() as cluster:
        yield cluster


@pytest.fixture
async def desk(own_etcd: EtcdCluster, tmp_path: Path) -> AsyncIterator[Desk]:
    prefix = f"/test-{secrets.token_hex(6)}"
    replicas = [Replica(tmp_path, own_etcd.endpoints, prefix) for _ in range(2)]
    async with Etcd(own_etcd.endpoints) as store:
        yield Desk(store, Keys(prefix), replicas)
    for replica in replicas:
        replica.stop()


async def test_a_stop_ends_streams_cleanly_and_soon(desk: Desk) -> None:
    await desk.accept()
    await desk.started(0, 1)

    async def follow() -> int:
        async with blocks(desk.replicas[0].port, "/api/v1/events", "bwv_reader") as stream:
            return len([block async for block in stream if block.event])

    following = [asyncio.create_task(follow()) for _ in range(20)]
    await eventually(lambda: "bwvisu_event_streams 20.0" in desk.replicas[0].get("/metrics"))
    idle = await seconds_to_stop(desk.replicas[1])
    assert await seconds_to_stop(desk.replicas[0]) < idle + 2.5, "uvicorn would wait for 3 s, and then cut them"
    assert set(await asyncio.gather(*following)) == {1}
    log = desk.replicas[0].log.read_text()
    assert '"level": "error"' not in log
    assert "Traceback" not in log


async def seconds_to_stop(replica: Replica) -> float:
    """How long it takes to end; one that nobody follows shows what this machine needs for that alone."""
    began = time.monotonic()
    assert await asyncio.to_thread(replica.stop) == 0
    return time.monotonic() - began


async def test_what_one_replica_began_another_goes_on_with_even_if_it_has_just_started(desk: Desk) -> None:
    await desk.accept()
    await desk.started(0)
    (snapshot,) = await desk.read(0, None, 1)
    missed = [await desk.see(attempt) for attempt in range(5)]
    await desk.started(1)
    for which in (1, 0):
        assert [block.id for block in await desk.read(which, snapshot.id, 5)] == [f"1.{each}" for each in missed]


async def test_where_etcd_has_forgotten_too_a_new_replica_begins_anew(desk: Desk, own_etcd: EtcdCluster) -> None:
    await desk.accept()
    await desk.started(0)
    (snapshot,) = await desk.read(0, None, 1)
    missed = [await desk.see(attempt) for attempt in range(3)]
    own_etcd.compact(missed[-1])
    await desk.started(1)
    resync, anew = await desk.read(1, snapshot.id, 2)
    assert (resync.event, resync.data) == ("resync", b'{"reason":"history-gone"}')
    assert (anew.event, anew.id) == ("snapshot", f"1.{missed[-1]}")
    assert [block.id for block in await desk.read(0, snapshot.id, 3)] == [f"1.{each}" for each in missed]
