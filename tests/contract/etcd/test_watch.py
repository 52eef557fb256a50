"""Watches: every change once, in order, of the right key."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import pytest

from bwvisu.adapters.etcd import Batch, Committed, Compacted, Delete, EtcdUnavailable, Event, Put, Span, Store
from tests.contract.etcd.conftest import World


async def put(etcd: Store, *keys: str) -> int:
    result = await etcd.commit([], [Put(key, b"x") for key in keys])
    assert isinstance(result, Committed)
    return result.revision


async def take(batches: AsyncGenerator[Batch, None], events: int, seconds: float = 30.0) -> list[Event]:
    taken: list[Event] = []
    async with asyncio.timeout(seconds):
        while len(taken) < events:
            taken += (await anext(batches)).events
    return taken


async def test_history_is_replayed_exactly(etcd: Store, prefix: str) -> None:
    start = (await etcd.list(prefix)).revision + 1
    revisions = [await put(etcd, f"{prefix}{number % 3}") for number in range(20)]
    async with aclosing(etcd.watch(prefix, start)) as batches:
        assert [event.revision for event in await take(batches, 20)] == revisions
        late = await put(etcd, prefix + "late")
        assert [(e.key, e.revision) for e in await take(batches, 1)] == [(prefix + "late", late)]


async def test_a_removal_is_an_event_without_an_entry(etcd: Store, prefix: str) -> None:
    start = await put(etcd, prefix + "a")
    gone = await etcd.commit([], [Delete(prefix + "a")])
    async with aclosing(etcd.watch(prefix, start)) as batches:
        written, removed = await take(batches, 2)
    assert written.entry == (await etcd.list(prefix, revision=start)).entries[prefix + "a"]
    assert isinstance(gone, Committed)
    assert removed == Event(prefix + "a", gone.revision, None)


async def test_a_transaction_arrives_whole(etcd: Store, prefix: str) -> None:
    keys = [f"{prefix}{number:03}" for number in range(100)]
    start = (await etcd.list(prefix)).revision + 1
    async with aclosing(etcd.watch(prefix, start)) as batches:
        replaying = asyncio.create_task(_next(batches))
        revision = await put(etcd, *keys)
        batch = await replaying
    assert batch.revision == revision
    assert [event.key for event in batch.events] == keys


async def _next(batches: AsyncGenerator[Batch, None]) -> Batch:
    return await anext(batches)


async def test_a_watch_that_was_given_up_does_not_lend_its_events_to_the_next(etcd: Store, prefix: str) -> None:
    """aetcd binds the next watch to the request of the one that was cancelled while it was being created."""
    start = (await etcd.list(prefix)).revision + 1
    for delay in (0, 0, 0.001, 0.002, 0.005):
        given_up = etcd.watch(prefix + "one/", start)
        opening = asyncio.create_task(_next(given_up))
        await asyncio.wait({opening}, timeout=delay)
        opening.cancel()
        with suppress(asyncio.CancelledError):
            await opening
    async with aclosing(etcd.watch(prefix + "two/", start)) as batches:
        await put(etcd, prefix + "one/a")
        await put(etcd, prefix + "two/b")
        assert [event.key for event in await take(batches, 1)] == [prefix + "two/b"]


async def test_many_watches_do_not_disturb_each_other(etcd: Store, prefix: str) -> None:
    start = (await etcd.list(prefix)).revision + 1

    async def follow(number: int) -> list[str]:
        async with aclosing(etcd.watch(f"{prefix}{number:02}/", start)) as batches:
            return [event.key for event in await take(batches, 3)]

    async with asyncio.TaskGroup() as group:
        followers = [group.create_task(follow(number)) for number in range(30)]
        for step in range(3):
            for number in range(30):
                await put(etcd, f"{prefix}{number:02}/{step}")
    for number, follower in enumerate(followers):
        assert follower.result() == [f"{prefix}{number:02}/{step}" for step in range(3)]


async def test_neighbouring_kinds_are_told_in_one_order(etcd: Store, prefix: str) -> None:
    span = Span(prefix + "b/", prefix + "d/")
    start = (await etcd.list(span)).revision + 1
    for kind in ("d/", "a/", "b/", "e/", "c/", "d0", "d/"):
        last = await put(etcd, prefix + kind + "x")
    await etcd.commit([], [Delete(prefix + "b/x"), Delete(prefix + "a/x")])
    async with aclosing(etcd.watch(span, start)) as batches:
        told = await take(batches, 5)
    assert [event.key.removeprefix(prefix) for event in told] == ["d/x", "b/x", "c/x", "d/x", "b/x"]
    assert [event.entry is None for event in told] == [False, False, False, False, True]
    assert told[3].revision == last
    assert list((await etcd.list(span)).entries) == [prefix + "c/x", prefix + "d/x"]
    page = await etcd.list(span, limit=1)
    assert (list(page.entries), page.more) == ([prefix + "c/x"], True)
    assert list((await etcd.list(span, after=prefix + "c/x")).entries) == [prefix + "d/x"]


async def test_compacted_history_is_said_to_be(etcd: Store, prefix: str, world: World) -> None:
    old = await put(etcd, prefix + "a")
    world.compact(await put(etcd, prefix + "a"))
    async with aclosing(etcd.watch(prefix, old)) as batches:
        with pytest.raises(Compacted):
            await take(batches, 1)


async def test_a_removal_at_the_compacted_revision_is_never_told(etcd: Store, prefix: str, world: World) -> None:
    """etcd issue 19179: after compaction the tombstone is gone, and the watch is taken all the same."""
    await put(etcd, prefix + "a")
    at = await etcd.commit([], [Delete(prefix + "a"), Put(prefix + "b", b"")])
    await put(etcd, prefix + "c")
    world.compact(at.revision)
    async with aclosing(etcd.watch(prefix, at.revision)) as batches:
        assert [event.key for event in await take(batches, 2)] == [prefix + "b", prefix + "c"]


async def test_a_watch_from_the_future_waits_for_it(etcd: Store, prefix: str) -> None:
    start = await put(etcd, prefix + "a")
    async with aclosing(etcd.watch(prefix, start + 3)) as batches:
        coming = asyncio.create_task(take(batches, 1))
        written = [await put(etcd, f"{prefix}{number}") for number in range(3)]
        assert [event.revision for event in await coming] == written[2:]


async def test_the_end_of_a_lease_is_one_batch(etcd: Store, prefix: str) -> None:
    lease = await etcd.lease(4)
    made = await etcd.commit([], [Put(prefix + name, b"", lease.id) for name in "ab"])
    async with aclosing(etcd.watch(prefix, made.revision + 1)) as batches:
        assert not lease.remaining() < 0
        async with asyncio.timeout(30):
            batch = await anext(batches)
    assert lease.remaining() <= 0
    assert [(event.key, event.entry) for event in batch.events] == [(prefix + "a", None), (prefix + "b", None)]


async def test_a_broken_watch_raises_and_can_be_resumed(etcd: Store, prefix: str, world: World) -> None:
    start = await put(etcd, prefix + "a")
    async with aclosing(etcd.watch(prefix, start)) as batches:
        (seen,) = await take(batches, 1)
        world.stop()
        with pytest.raises(EtcdUnavailable):
            await take(batches, 1)
    world.start()
    later = await patiently_put(etcd, prefix + "b")
    async with aclosing(etcd.watch(prefix, seen.revision + 1)) as batches:
        assert [event.revision for event in await take(batches, 1)] == [later]


async def patiently_put(etcd: Store, key: str) -> int:
    async with asyncio.timeout(30):
        while True:
            with suppress(EtcdUnavailable):
                return await put(etcd, key)


async def test_a_watch_starts_at_a_known_revision(etcd: Store, prefix: str) -> None:
    async with aclosing(etcd.watch(prefix, 0)) as batches:
        with pytest.raises(ValueError, match="revision"):
            await anext(batches)
