"""An etcd that freezes, dies, comes back, fills up and forgets, as its clients see it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

import pytest

from bwvisu.adapters.etcd import (
    Absent,
    Committed,
    Conflict,
    Delete,
    EtcdFull,
    EtcdUnavailable,
    LeaseLost,
    Mirror,
    OutcomeUnknown,
    Put,
    Store,
)
from tests.contract.etcd.conftest import World
from tests.contract.etcd.test_mirror import decode, heard, patiently_put, put, running
from tests.contract.etcd.test_watch import take
from tests.support.waiting import eventually

TIMEOUT = 1.0


@pytest.fixture
async def hasty(world: World) -> AsyncIterator[Store]:
    async with world.client(TIMEOUT) as store:
        yield store


async def test_every_call_to_a_frozen_etcd_ends_in_time(hasty: Store, world: World, prefix: str) -> None:
    lease = await hasty.lease(60)
    world.pause()
    for call in (hasty.get(prefix), hasty.list(prefix), hasty.lease(5), lease.keep_alive(), lease.revoke()):
        began = time.monotonic()
        with pytest.raises(EtcdUnavailable):
            await call
        assert time.monotonic() - began < 5 * TIMEOUT, "and not when etcd is awake again"
    opening = hasty.watch(prefix, 1)
    with pytest.raises(EtcdUnavailable):
        await anext(opening)


async def test_a_write_without_an_answer_is_unknown(hasty: Store, world: World, prefix: str) -> None:
    await put(hasty, prefix + "a", "before")
    world.pause()
    with pytest.raises(OutcomeUnknown):
        await put(hasty, prefix + "a", "after")
    world.resume()
    entry = await hasty.get(prefix + "a")
    assert entry is not None
    assert json.loads(entry.value) in {"before", "after"}


async def test_a_call_outlasts_a_short_freeze(etcd: Store, world: World, prefix: str) -> None:
    await put(etcd, prefix + "a", 1)
    world.pause()
    writing = asyncio.create_task(put(etcd, prefix + "a", 2))
    await asyncio.wait({writing}, timeout=0.2)
    assert not writing.done()
    world.resume()
    written = await writing
    entry = await etcd.get(prefix + "a")
    assert entry is not None
    assert entry.mod_revision == written


async def test_a_write_that_found_nobody_is_known_not_to_be_applied(hasty: Store, world: World, prefix: str) -> None:
    before = await put(hasty, prefix + "a", "before")
    world.stop()
    with pytest.raises(EtcdUnavailable):
        await hasty.get(prefix + "a")
    with pytest.raises(EtcdUnavailable):
        await put(hasty, prefix + "a", "after")
    world.start()
    assert await patiently_put(hasty, prefix + "b", 1) == before + 1


async def test_it_connects_by_itself_when_etcd_comes_late(world: World, prefix: str) -> None:
    world.stop()
    async with world.client(TIMEOUT) as late:
        with pytest.raises(EtcdUnavailable):
            await late.get(prefix + "a")
        world.start()
        await patiently_put(late, prefix + "a", 1)
        assert await late.get(prefix + "a") is not None


async def test_a_read_that_finds_nobody_waits_for_somebody(world: World, prefix: str) -> None:
    async with world.client(10) as patient:
        await put(patient, prefix + "a", 1)
        world.stop()
        reading = asyncio.create_task(patient.get(prefix + "a"))
        await asyncio.wait({reading}, timeout=0.2)
        world.start()
        assert await reading is not None


async def test_a_full_etcd_takes_only_what_makes_room(etcd: Store, world: World, prefix: str) -> None:
    lease = await etcd.lease(60)
    await put(etcd, prefix + "a", 1)
    world.fill(True)
    for refused in (
        etcd.commit([], [Put(prefix + "b", b"")]),
        etcd.commit([Absent(prefix + "a")], [Put(prefix + "b", b"")]),
        etcd.lease(5),
    ):
        with pytest.raises(EtcdFull):
            await refused
    assert await etcd.get(prefix + "a") is not None
    assert isinstance(await etcd.commit([Absent(prefix + "a")], [Delete(prefix + "a")]), Conflict)
    assert isinstance(await etcd.commit([], [Delete(prefix + "a")]), Committed)
    await lease.keep_alive()
    await lease.revoke()
    world.fill(False)
    assert await put(etcd, prefix + "b", 1)


async def test_a_restart_gives_a_lease_its_full_time_again(etcd: Store, world: World, prefix: str) -> None:
    lease = await etcd.lease(6)
    await etcd.commit([], [Put(prefix + "mortal", b"", lease.id)])
    await eventually(lambda: lease.remaining() < 1)
    world.stop()
    world.start()
    await eventually(lambda: lease.remaining() < -0.5)
    await patiently_put(etcd, prefix + "a", 1)
    assert await etcd.get(prefix + "mortal") is not None, "our own count is the shorter one"
    await lease.keep_alive()
    assert lease.remaining() > 3


async def test_a_lease_runs_out_while_etcd_is_frozen(etcd: Store, world: World, prefix: str) -> None:
    lease = await etcd.lease(4)
    created = await etcd.commit([], [Put(prefix + "mortal", b"", lease.id)])
    async with aclosing(etcd.watch(prefix, created.revision)) as batches:
        await take(batches, 1)  # so it is open
        removal = asyncio.create_task(take(batches, 1))
        await eventually(lambda: lease.remaining() < 1.2)
        world.pause()  # for less than the 3 s after which pings give the connection up
        await eventually(lambda: lease.remaining() < -0.2)
        assert not removal.done()
        world.resume()
        (event,) = await removal
    assert (event.key, event.entry) == (prefix + "mortal", None)
    with pytest.raises(LeaseLost):
        await lease.keep_alive()


async def test_a_mirror_equals_etcd_after_a_hail_of_failures(hasty: Store, world: World, prefix: str) -> None:
    """Killed, restarted and frozen while somebody writes."""

    async def write() -> None:
        for number in range(10_000):
            with suppress(EtcdUnavailable, OutcomeUnknown):
                await put(hasty, f"{prefix}{number % 50}", number)

    def restart() -> None:
        world.stop()
        world.start()

    async with running(Mirror(hasty, prefix, decode)) as mirror:
        writing = asyncio.create_task(write())
        with heard(mirror):
            for hit in (restart, restart, world.pause):
                await progress(mirror)
                hit()
            await eventually(lambda: time.monotonic() - mirror.synced_at > TIMEOUT)
            world.resume()
            await progress(mirror)
            writing.cancel()
            await asyncio.wait({writing})
            last = await patiently_put(hasty, prefix + "last", 0)
            await eventually(lambda: mirror.revision >= last)
        assert mirror.entries == (await hasty.list(prefix)).entries
        assert mirror.repairs == 0


async def progress(mirror: Mirror[Any]) -> None:
    reached = mirror.revision
    await eventually(lambda: mirror.revision > reached + 20, seconds=60)
