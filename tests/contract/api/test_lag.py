"""Replicas whose watch is late: nobody is sent back in time, and no page lacks a job."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bwvisu.adapters.etcd import Batch, EtcdUnavailable, Keyspace, Listing, Put, Store
from bwvisu.adapters.records import encode
from bwvisu.domain.cluster import Installation
from bwvisu.services.listing import Cursor
from tests.contract.api.service import Service, service
from tests.contract.api.test_bad_input import problem
from tests.contract.api.test_event_streams import ALL, following, of
from tests.contract.api.test_jobs import AVAILABLE, FINISHED, seen
from tests.support.etcd import EtcdCluster
from tests.support.waiting import eventually


class Late:
    """A wire to a real etcd whose watches tell nothing while they are held."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.flows = asyncio.Event()
        self.flows.set()
        self.answers = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def watch(self, keys: Keyspace, start_revision: int) -> AsyncGenerator[Batch, None]:
        async with aclosing(self._store.watch(keys, start_revision)) as batches:
            async for batch in batches:
                await self.flows.wait()
                yield batch

    async def list(self, keys: Keyspace, **options: Any) -> Listing:
        if not self.answers:
            raise EtcdUnavailable("etcd is away")
        return await self._store.list(keys, **options)


@dataclass
class Two:
    """Two replicas on one etcd; the other one's watches can be held."""

    first: Service
    other: Service
    wire: Late
    job: dict[str, Any]


@pytest.fixture
async def two(etcd: EtcdCluster, bundles: Path) -> AsyncIterator[Two]:
    wires: list[Late] = []

    def wire(store: Store) -> Late:
        wires.append(Late(store))
        return wires[0]

    async with service(etcd.endpoints, bundles) as first:
        first.leader.knows("alice")
        keys = first.context.state.keys
        async with service(etcd.endpoints, bundles, keys=keys, wire=wire) as other:
            job = await first.submit()
            await eventually(lambda: other.context.state.job(job["id"]) is not None)
            yield Two(first, other, wires[0], job)


async def told(two: Two) -> str:
    """The id that the first replica's streams give out for what the other has not seen."""
    two.wire.flows.clear()
    revision = (await seen(two.first, two.job["id"], AVAILABLE))["revision"]
    return f"1.{revision}"


@pytest.mark.parametrize("one", [False, True], ids=["all jobs", "one job"])
async def test_a_late_replica_says_so_and_goes_on_with_the_same_id_later(two: Two, one: bool) -> None:
    path, last_id = of(two.job) if one else ALL, await told(two)
    refused = await two.other.client().get(path, headers={"Last-Event-ID": last_id})
    assert (refused.status_code, problem(refused)["type"]) == (503, "/problems/unavailable")
    assert refused.headers["retry-after"] == "1"
    assert len(two.other.feed) == 0
    two.wire.flows.set()
    async with following(two.other, path, last_id) as stream:
        revision = await two.first.leader.sees(two.job["id"], FINISHED)
        event, data = await stream.event()
        assert (event, data["revision"], data["state"]) == ("job", revision, "finished")


async def test_a_replica_that_is_late_for_a_moment_is_waited_for(two: Two) -> None:
    last_id = await told(two)

    async def follow() -> tuple[str, Any]:
        async with following(two.other, ALL, last_id) as stream:
            return await stream.event()

    asking = asyncio.create_task(follow())
    assert (await two.other.client().get("/livez")).status_code == 200  # its question is there by now
    two.wire.flows.set()
    revision = await two.first.leader.sees(two.job["id"], FINISHED)
    event, data = await asking
    assert (event, data["revision"]) == ("job", revision)


async def test_a_replica_that_has_not_heard_of_a_restore_says_so(two: Two) -> None:
    two.wire.flows.clear()
    state = two.first.context.state
    await state.store.commit([], [Put(state.keys.installation, encode(Installation(id="abcdefgh", generation=2)))])
    await eventually(lambda: state.generation == 2)
    async with following(two.first) as stream:
        await stream.jobs()
    assert stream.last_id is not None
    assert stream.last_id.startswith("2.")
    refused = await two.other.client().get(ALL, headers={"Last-Event-ID": stream.last_id})
    assert refused.status_code == 503
    two.wire.flows.set()
    await eventually(lambda: two.other.context.state.generation == 2)
    async with following(two.other, ALL, stream.last_id) as again:
        revision = await two.first.leader.sees(two.job["id"], AVAILABLE)
        assert (await again.event())[1]["revision"] == revision


async def test_what_etcd_cannot_confirm_is_not_called_unknown(two: Two) -> None:
    last_id = await told(two)
    two.wire.answers = False
    refused = await two.other.client().get(ALL, headers={"Last-Event-ID": last_id})
    assert (refused.status_code, problem(refused)["type"]) == (503, "/problems/unavailable")


@pytest.mark.parametrize(("ahead", "reason"), [("1.{}", "unknown-id"), ("7.{}", "other-generation")])
async def test_an_id_from_etcds_own_future_begins_anew(two: Two, ahead: str, reason: str) -> None:
    revision = two.first.context.state.jobs.revision + 1000
    async with following(two.first, ALL, ahead.format(revision)) as stream:
        assert await stream.event() == ("resync", {"reason": reason})
        assert await stream.jobs() == [two.job["id"]]


async def test_a_page_waits_until_this_replica_has_seen_what_the_first_was_made_of(two: Two) -> None:
    """The first page came from a replica that is ahead: jobs that are not here yet must not be left out in silence."""
    two.wire.flows.clear()
    jobs = [await two.first.submit() for _ in range(3)]
    cursor = (await two.first.client().get("/api/v1/jobs?limit=1")).json()["next_cursor"]
    assert Cursor.parse(cursor).revision > two.other.context.state.specs.revision
    address = f"/api/v1/jobs?cursor={cursor}"
    refused = await two.other.client().get(address)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    asking = asyncio.create_task(two.other.client().get(address))
    two.wire.flows.set()
    shown = [job["id"] for job in (await asking).json()["items"]]
    assert shown == [jobs[1]["id"], jobs[0]["id"], two.job["id"]]
