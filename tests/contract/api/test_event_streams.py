"""Event streams: a snapshot, then every change once and in order, whatever becomes of the connection."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bwvisu.adapters.etcd import Delete, Put
from bwvisu.adapters.records import encode
from bwvisu.domain.cluster import Installation
from bwvisu.domain.job import JobStatus
from bwvisu.domain.lifecycle import Phase
from bwvisu.services.feed import Limits
from tests.contract.api.service import Service, cluster_settings, service
from tests.contract.api.test_bad_input import problem
from tests.contract.api.test_jobs import AVAILABLE, FINISHED, show
from tests.support.etcd import EtcdCluster
from tests.support.sse import Block, blocks
from tests.support.waiting import eventually

ALL = "/api/v1/events"


class Following:
    """A client with an open stream."""

    def __init__(self, stream: AsyncIterator[Block]) -> None:
        self._stream = stream
        self.last_id: str | None = None

    async def event(self) -> tuple[str, Any]:
        """The next event and its data; what only keeps the connection alive is passed over."""
        while True:
            block = await self.block()
            if block.event:
                return block.event, json.loads(block.data)

    async def block(self) -> Block:
        """The next of whatever there is."""
        async with asyncio.timeout(30):
            block = await anext(self._stream)
        self.last_id = block.id or self.last_id
        return block

    async def jobs(self) -> list[str]:
        """Ids of a snapshot, which must come next."""
        found: list[str] = []
        while True:
            event, data = await self.event()
            assert event == "snapshot"
            found += [job["id"] for job in data["jobs"]]
            if data["complete"]:
                return found

    async def ended(self) -> bool:
        """Whether the other side has ended it, with nothing more to tell."""
        async with asyncio.timeout(30):
            return not [block async for block in self._stream if block.event]


@asynccontextmanager
async def following(
    api: Service, path: str = ALL, last_id: str | None = None, holder: str = "portal", receive: int = 0
) -> AsyncIterator[Following]:
    port = int(api.url.rpartition(":")[2])
    async with blocks(port, path, f"bwv_{holder}", last_id, receive=receive) as stream:
        yield Following(stream)


def of(job: dict[str, Any]) -> str:
    return f"/api/v1/jobs/{job['id']}/events"


async def forget(api: Service, *jobs: dict[str, Any]) -> int:
    keys = api.context.state.keys
    removals = [Delete(key) for job in jobs for key in (keys.spec(job["id"]), keys.status(job["id"]))]
    return (await api.context.state.store.commit([], removals)).revision


async def test_a_job_from_its_snapshot_to_its_end(api: Service) -> None:
    job = await api.submit()
    async with following(api, of(job)) as one, following(api) as every:
        assert await one.event() == ("snapshot", {"jobs": [job], "complete": True})
        assert one.last_id == f"1.{job['revision']}"
        assert await every.jobs() == [job["id"]]
        for status in (AVAILABLE, FINISHED):
            revision = await api.leader.sees(job["id"], status)
            event, data = await one.event()
            assert (event, data, one.last_id) == ("job", await show(api, job["id"]), f"1.{revision}")
            assert await every.event() == (event, data)
        gone = await forget(api, job)
        removed = ("removed", {"id": job["id"], "revision": gone})
        assert await one.event() == await every.event() == removed
        assert await one.ended()
        other = await api.submit()
        assert await every.event() == ("job", other)


async def test_who_comes_back_is_told_what_was_missed_and_nothing_else(api: Service) -> None:
    job, other = await api.submit(), await api.submit("bob")
    async with following(api, f"{ALL}?user=alice") as alices:
        await alices.jobs()
    missed = [await api.leader.sees(each["id"], AVAILABLE) for each in (job, other, job, other, job)]
    async with following(api, f"{ALL}?user=alice", alices.last_id) as alices:
        told = [await alices.event() for _ in range(3)]
        assert [(event, data["id"], data["revision"]) for event, data in told] == [
            ("job", job["id"], missed[number]) for number in (0, 2, 4)
        ]
        later = await api.leader.sees(job["id"], FINISHED)
        assert (await alices.event())[1]["revision"] == later
    async with following(api, f"{ALL}?user=alice", alices.last_id) as alices:
        again = await api.leader.sees(job["id"], AVAILABLE)
        assert (await alices.event())[1]["revision"] == again


async def test_a_revision_is_passed_with_the_last_of_its_events(api: Service) -> None:
    jobs = [await api.submit(user) for user in ("alice", "alice", "bob")]
    keys = api.context.state.keys
    async with following(api) as every, following(api, f"{ALL}?user=alice") as alices:
        await every.jobs()
        await alices.jobs()
        puts = [Put(keys.status(job["id"]), encode(AVAILABLE)) for job in jobs]
        revision = (await api.context.state.store.commit([], puts)).revision
        assert [(await every.block()).id for _ in range(3)] == [None, None, f"1.{revision}"]
        assert [(await alices.block()).id for _ in range(2)] == [None, f"1.{revision}"]


@pytest.mark.parametrize(
    ("last_id", "reason"),
    [("2.1", "other-generation"), ("1.999999999", "unknown-id"), ("nonsense", "unknown-id"), ("", "unknown-id")],
)
async def test_an_id_that_leads_nowhere_begins_anew(api: Service, last_id: str, reason: str) -> None:
    job = await api.submit()
    async with following(api, last_id=last_id) as every:
        assert await every.event() == ("resync", {"reason": reason})
        assert await every.jobs() == [job["id"]]
        assert every.last_id == f"1.{job['revision']}"


async def test_nobody_follows_what_is_not_theirs(api: Service) -> None:
    hers, his = await api.submit("alice"), await api.submit("bob")
    refused = await api.client("alices").get(of(his))
    assert (refused.status_code, problem(refused)["type"]) == (404, "/problems/job-not-found")
    for path, wanted in ((ALL, [hers["id"]]), (f"{ALL}?user=alice", [hers["id"]]), (f"{ALL}?user=bob", [])):
        async with following(api, path, holder="alices") as stream:
            assert await stream.jobs() == wanted
            await api.leader.sees(his["id"], AVAILABLE)
            revision = await api.leader.sees(hers["id"], AVAILABLE)
            if wanted:
                assert (await stream.event())[1]["revision"] == revision
    assert (await api.client(None).get(ALL)).status_code == 401
    absent = await api.client().get("/api/v1/jobs/01jd0000000000000000000000/events")
    assert (absent.status_code, problem(absent)["type"]) == (404, "/problems/job-not-found")


async def test_a_cluster_can_be_followed(etcd: EtcdCluster, bundles: Path) -> None:
    clusters = {"main": cluster_settings(), "side": cluster_settings()}
    async with service(etcd.endpoints, bundles, clusters=clusters) as api:
        api.leader.knows("alice")
        main, side = [await api.submit(cluster=name) for name in clusters]
        async with following(api, f"{ALL}?cluster=side") as stream:
            assert await stream.jobs() == [side["id"]]
            for job in (main, side):
                revision = await api.leader.sees(job["id"], AVAILABLE)
            assert (await stream.event())[1]["revision"] == revision


async def test_a_large_snapshot_comes_in_parts(api: Service) -> None:
    job = await api.submit()
    keys, store = api.context.state.keys, api.context.state.store
    spec = api.context.state.specs.values[keys.spec(job["id"])]
    ids = [f"01jd00000000000000000{number:05}" for number in range(450)]
    for begin in range(0, 450, 100):
        copies = [spec.model_copy(update={"id": job_id}) for job_id in ids[begin : begin + 100]]
        written = await store.commit([], [Put(keys.spec(copy.id), encode(copy)) for copy in copies])
    await api.context.state.seen(written.revision)
    async with following(api) as every:
        parts = [await every.event() for _ in range(3)]
        assert [(len(data["jobs"]), data["complete"]) for _, data in parts] == [(200, False), (200, False), (51, True)]
        assert {each["id"] for _, data in parts for each in data["jobs"]} == {job["id"], *ids}
        assert every.last_id == f"1.{written.revision}"


async def test_what_cannot_be_read_is_shown_as_elsewhere(api: Service) -> None:
    job = await api.submit()
    keys, store = api.context.state.keys, api.context.state.store
    async with following(api) as every:
        await every.jobs()
        await store.commit([], [Put(keys.status(job["id"]), b"{")])
        event, data = await every.event()
        assert (event, data) == ("job", await show(api, job["id"]))
        assert data["reason"]["code"] == "unreadable-record"
        await store.commit([], [Put(keys.spec(job["id"]), b"{")])
        assert (await every.event())[0] == "removed"
        assert (await api.client().get("/api/v1/jobs")).json()["items"] == []


@asynccontextmanager
async def bounded(etcd: EtcdCluster, bundles: Path, **limits: Any) -> AsyncIterator[Service]:
    async with service(etcd.endpoints, bundles, streams=Limits(**limits)) as api:
        api.leader.knows("alice", "bob")
        yield api


async def test_silence_is_broken_and_moves_the_place_to_resume_from(etcd: EtcdCluster, bundles: Path) -> None:
    """Otherwise a quiet person's place would be forgotten while others are busy."""
    async with bounded(etcd, bundles, heartbeat=0.05) as api, following(api, f"{ALL}?user=bob") as stream:
        await stream.jobs()
        job = await api.submit("alice")
        async with asyncio.timeout(30):
            while stream.last_id != f"1.{job['revision']}":
                assert (await stream.block()).event == ""


async def test_history_is_kept_for_a_while_only(etcd: EtcdCluster, bundles: Path) -> None:
    async with bounded(etcd, bundles, moments=3) as api:
        job = await api.submit()
        async with following(api) as every:
            await every.jobs()
        for _ in range(3):
            await api.leader.sees(job["id"], AVAILABLE)
        async with following(api, last_id=every.last_id) as again:
            assert [(await again.event())[0] for _ in range(3)] == ["job"] * 3
        await api.leader.sees(job["id"], AVAILABLE)
        await eventually(lambda: api.context.state.status.revision > int((again.last_id or "").partition(".")[2]))
        async with following(api, last_id=every.last_id) as again:
            assert await again.event() == ("resync", {"reason": "history-gone"})
            assert await again.jobs() == [job["id"]]
        metrics = (await api.client().get("/metrics")).text
        assert 'bwvisu_event_resyncs{reason="history-gone"} 1.0' in metrics


async def test_there_are_only_so_many_and_a_place_becomes_free(etcd: EtcdCluster, bundles: Path) -> None:
    async with bounded(etcd, bundles, streams=2) as api:
        async with following(api), following(api) as second:
            await second.jobs()
            refused = await api.client().get(ALL)
            assert (refused.status_code, problem(refused)["type"]) == (503, "/problems/unavailable")
            assert int(refused.headers["retry-after"]) > 0
            assert "bwvisu_event_streams 2.0" in (await api.client().get("/metrics")).text
        await eventually(lambda: len(api.feed) == 0)
        async with following(api) as third:
            await third.jobs()


async def test_a_stream_ends_when_its_time_is_up(etcd: EtcdCluster, bundles: Path) -> None:
    async with bounded(etcd, bundles, lifetime=0.2) as api, following(api) as every:
        await every.jobs()
        assert await every.ended()


async def test_a_restored_store_is_another_generation(api: Service) -> None:
    job = await api.submit()
    state = api.context.state
    async with following(api) as every:
        await every.jobs()
        await state.store.commit([], [Put(state.keys.installation, encode(Installation(id="x" * 8, generation=7)))])
        assert await every.event() == ("resync", {"reason": "other-generation"})
        assert await every.jobs() == [job["id"]]
        revision = await api.leader.sees(job["id"], AVAILABLE)
        await every.event()
        assert every.last_id == f"7.{revision}"


async def test_a_reader_that_does_not_read_costs_little_and_begins_anew(etcd: EtcdCluster, bundles: Path) -> None:
    fat = JobStatus(phase=Phase.QUEUED, reason={"code": "x", "message": "y" * 20_000})
    async with bounded(etcd, bundles, depth=20) as api:
        job = await api.submit()
        async with following(api, receive=4096) as lazy, following(api) as eager:
            await eager.jobs()
            for _ in range(300):  # 6 MB: more than kernels keep for somebody who does not read
                revision = await api.leader.sees(job["id"], fat)
                assert (await eager.event())[1]["revision"] == revision
            assert await lazy.jobs() == [job["id"]]
            told = []
            while (news := await lazy.event())[0] == "job":
                told.append(news[1]["revision"])
            assert news == ("resync", {"reason": "too-slow"})
            assert told == sorted(told)
            assert len(told) < 300
            event, data = await lazy.event()
            assert (event, data["complete"], data["jobs"][0]["revision"]) == ("snapshot", True, revision)
            later = await api.leader.sees(job["id"], AVAILABLE)
            assert (await lazy.event())[1]["revision"] == later
