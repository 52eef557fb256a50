"""The mirror: equal to the store, whatever happens in between, without a change told twice or never."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import pytest

from bwvisu.adapters.etcd import (
    Batch,
    Change,
    Changes,
    Committed,
    Compacted,
    Condition,
    Conflict,
    Delete,
    Entry,
    EtcdError,
    EtcdUnavailable,
    Keyspace,
    Lagged,
    Lease,
    Listing,
    Mirror,
    Operation,
    Put,
    Store,
)
from tests.contract.etcd.conftest import World
from tests.support.waiting import eventually, eventually_true


def decode(entry: Entry) -> Any:
    return json.loads(entry.value)


async def put(etcd: Store, key: str, value: object) -> int:
    result = await etcd.commit([], [Put(key, json.dumps(value).encode())])
    assert isinstance(result, Committed)
    return result.revision


async def patiently_put(etcd: Store, key: str, value: object) -> int:
    async with asyncio.timeout(30):
        while True:
            with suppress(EtcdError):
                return await put(etcd, key, value)


@asynccontextmanager
async def running(mirror: Mirror[Any]) -> AsyncIterator[Mirror[Any]]:
    task = asyncio.create_task(mirror.run())
    try:
        async with asyncio.timeout(20):
            await mirror.ready.wait()
        yield mirror
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@contextmanager
def heard(mirror: Mirror[Any]) -> Iterator[list[Change[Any]]]:
    changes: list[Change[Any]] = []
    mirror.on_change(lambda news: changes.extend(news.changes))
    yield changes
    keys = [(change.key, change.revision) for change in changes]
    assert len(keys) == len(set(keys)), "a change was told twice"


class Deaf:
    """A store whose watches look healthy and swallow what ``swallows`` says: etcd on a bad day."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.swallow_all = False
        self.swallow_key = ""
        self.lists = 0
        self.watches = 0

    async def get(self, key: str) -> Entry | None:
        return await self._store.get(key)

    async def list(
        self, keys: Keyspace, *, limit: int | None = None, after: str | None = None, revision: int | None = None
    ) -> Listing:
        self.lists += 1
        return await self._store.list(keys, limit=limit, after=after, revision=revision)

    async def commit(self, conditions: Sequence[Condition], operations: Sequence[Operation]) -> Committed | Conflict:
        return await self._store.commit(conditions, operations)

    async def lease(self, ttl: int) -> Lease:
        return await self._store.lease(ttl)

    async def watch(self, keys: Keyspace, start_revision: int) -> AsyncGenerator[Batch, None]:
        self.watches += 1
        async for batch in self._store.watch(keys, start_revision):
            kept = tuple(event for event in batch.events if event.key != self.swallow_key)
            if kept and not self.swallow_all:
                yield Batch(batch.revision, kept)


async def test_it_shows_what_is_there_and_what_comes(etcd: Store, prefix: str) -> None:
    await put(etcd, prefix + "before", 1)
    async with running(Mirror(etcd, prefix, decode)) as mirror:
        assert dict(mirror.values) == {prefix + "before": 1}
        with heard(mirror) as changes:
            await put(etcd, prefix + "after", 2)
            await put(etcd, prefix + "before", 3)
            await etcd.commit([], [Delete(prefix + "after")])
            await put(etcd, prefix.rstrip("/") + "0 neighbour", 9)
            last = await put(etcd, prefix + "last", None)
            await eventually(lambda: mirror.revision >= last)
        assert dict(mirror.values) == {prefix + "before": 3, prefix + "last": None}
        assert mirror.entries == (await etcd.list(prefix)).entries
        assert [(c.key.removeprefix(prefix), c.value, c.previous) for c in changes] == [
            ("after", 2, None),
            ("before", 3, 1),
            ("after", None, 2),
            ("last", None, None),
        ]


async def test_each_change_is_decoded_once(etcd: Store, prefix: str) -> None:
    decoded: list[int] = []

    def count(entry: Entry) -> int:
        decoded.append(entry.mod_revision)
        return entry.mod_revision

    first = await put(etcd, prefix + "a", 1)
    async with running(Mirror(etcd, prefix, count, relist_every=0.05)) as mirror:
        second = await put(etcd, prefix + "a", 2)
        synced = mirror.synced_at
        await eventually(lambda: mirror.revision >= second and mirror.synced_at > synced + 0.2)
    assert decoded == [first, second]


async def test_what_cannot_be_read_is_set_aside_until_it_is_mended(etcd: Store, prefix: str) -> None:
    await put(etcd, prefix + "good", 1)
    await etcd.commit([], [Put(prefix + "bad", b"{")])
    async with running(Mirror(etcd, prefix, decode)) as mirror:
        assert dict(mirror.values) == {prefix + "good": 1}
        assert "JSONDecodeError" in mirror.unreadable[prefix + "bad"]
        assert prefix + "bad" in mirror.entries
        await put(etcd, prefix + "bad", 2)
        await eventually(lambda: mirror.values.get(prefix + "bad") == 2)
        assert not mirror.unreadable
        await etcd.commit([], [Put(prefix + "good", b"\xff")])
        await eventually(lambda: prefix + "good" in mirror.unreadable)
        assert prefix + "good" not in mirror.values


async def test_each_transaction_is_told_on_its_own_and_seen_as_it_was(etcd: Store, prefix: str) -> None:
    mirror: Mirror[Any] = Mirror(etcd, prefix, decode, history=5)
    before = (await etcd.list(prefix)).revision
    for number in range(5):
        await etcd.commit([], [Put(f"{prefix}{name}", str(number).encode()) for name in "ab"])
    seen: list[tuple[int, dict[str, Any]]] = []
    mirror.on_change(lambda changes: seen.append((changes.revision, dict(mirror.values))))
    async with running(mirror):
        assert seen[1:] == [(before + 1 + n, {prefix + "a": n, prefix + "b": n}) for n in range(5)]


async def test_a_mirror_that_begins_in_the_past_is_ready_in_the_present(etcd: Store, prefix: str) -> None:
    for number in range(20):
        await put(etcd, f"{prefix}{number % 3}", number)
    await etcd.commit([], [Delete(prefix + "0")])
    mirror: Mirror[Any] = Mirror(etcd, prefix, decode, history=8)
    news: list[Changes[Any]] = []
    mirror.on_change(news.append)
    async with running(mirror):
        assert dict(mirror.values) == {prefix + "1": 19, prefix + "2": 17}
    assert [changes.listed for changes in news] == [True] + [False] * 8
    assert [change.value for changes in news[1:] for change in changes.changes] == [*range(13, 20), None]
    assert (mirror.repairs, mirror.trouble) == (0, None)


async def test_where_the_past_is_compacted_the_present_must_do(etcd: Store, prefix: str, world: World) -> None:
    for number in range(5):
        last = await put(etcd, prefix + "a", number)
    world.compact(last)
    mirror: Mirror[Any] = Mirror(etcd, prefix, decode, history=3)
    news: list[Changes[Any]] = []
    mirror.on_change(news.append)
    async with running(mirror):
        assert dict(mirror.values) == {prefix + "a": 4}
    assert [(changes.listed, changes.revision) for changes in news] == [(True, last)]


async def test_a_past_that_the_watch_does_not_deliver_is_given_up(etcd: Store, prefix: str) -> None:
    deaf = Deaf(etcd)
    deaf.swallow_key = prefix + "a"
    await put(etcd, prefix + "a", 1)
    async with running(Mirror(deaf, prefix, decode, history=1, grace=0.02)) as mirror:
        assert dict(mirror.values) == {prefix + "a": 1}
        assert mirror.repairs == 1


async def test_a_broken_connection_costs_nothing(etcd: Store, prefix: str, world: World) -> None:
    async with running(Mirror(etcd, prefix, decode)) as mirror:
        with heard(mirror) as changes:
            for number in range(3):
                if number == 1:
                    world.stop()
                    await eventually(lambda: mirror.trouble is not None)
                    world.start()
                await patiently_put(etcd, f"{prefix}{number}", number)
            await eventually(lambda: len(mirror.values) == 3)
            await eventually(lambda: mirror.trouble is None)
        told = [change.value for change in changes]
        assert list(dict.fromkeys(told)) == list(range(3)), "patience may have written the same once more"
        assert mirror.entries == (await etcd.list(prefix)).entries
        assert mirror.repairs == 0


async def test_compacted_history_is_made_up_for_by_a_listing(etcd: Store, prefix: str, world: World) -> None:
    await put(etcd, prefix + "goes", 0)
    async with running(Mirror(Interrupted(etcd), prefix, decode)) as mirror:
        with heard(mirror) as changes:
            await etcd.commit([], [Delete(prefix + "goes")])
            for number in range(5):
                await put(etcd, prefix + "changes", number)
            world.compact((await etcd.list(prefix)).revision)
            await eventually(lambda: mirror.values == {prefix + "changes": 4})
        assert {(change.key.removeprefix(prefix), change.value) for change in changes} == {
            ("goes", None),
            ("changes", 4),
        }
        later = await put(etcd, prefix + "later", 1)
        await eventually(lambda: mirror.revision >= later)


class Interrupted(Deaf):
    """Its first watch does not open before the history that it needs is gone."""

    async def watch(self, keys: Keyspace, start_revision: int) -> AsyncGenerator[Batch, None]:
        self.watches += 1
        if self.watches == 1:
            await eventually_true(lambda: self._forgotten(keys, start_revision))
        async for batch in self._store.watch(keys, start_revision):
            yield batch

    async def _forgotten(self, keys: Keyspace, revision: int) -> bool:
        if (await self._store.list(keys)).revision <= revision:
            return False
        try:
            await self._store.list(keys, revision=revision)
        except Compacted:
            return True
        return False


async def test_a_watch_that_fell_silent_is_found_out(etcd: Store, prefix: str) -> None:
    deaf = Deaf(etcd)
    await put(etcd, prefix + "removed", 1)
    async with running(Mirror(deaf, prefix, decode, relist_every=0.3, grace=0.2)) as mirror:
        with heard(mirror) as changes:
            deaf.swallow_all = True
            await etcd.commit([], [Put(prefix + "added", b"1"), Delete(prefix + "removed")])  # no listing in between
            await eventually(lambda: mirror.values == {prefix + "added": 1} and deaf.watches > 1)
            assert (mirror.repairs, deaf.watches) == (2, 2)
            deaf.swallow_all = False
            await put(etcd, prefix + "next", 1)
            await eventually(lambda: prefix + "next" in mirror.values)
        assert len(changes) == 3


async def test_a_single_lost_event_is_found_out(etcd: Store, prefix: str) -> None:
    deaf = Deaf(etcd)
    async with running(Mirror(deaf, prefix, decode, relist_every=0.3)) as mirror:
        deaf.swallow_key = prefix + "lost"
        await put(etcd, prefix + "lost", 1)
        await put(etcd, prefix + "seen", 1)
        await eventually(lambda: mirror.values.get(prefix + "lost") == 1)
        assert mirror.repairs == 1, "it came by a listing, for the watch has lost it"


async def test_a_busy_watch_is_not_taken_for_a_silent_one(etcd: Store, prefix: str) -> None:
    deaf = Deaf(etcd)
    async with running(Mirror(deaf, prefix, decode, relist_every=0.02)) as mirror:
        with heard(mirror) as changes:
            rounds = 0
            while deaf.lists <= 5:  # a slow machine lists less often
                rounds += 1
                await asyncio.gather(*(write_numbers(etcd, f"{prefix}{writer}/", 100) for writer in range(10)))
            last = await put(etcd, prefix + "last", 1)
            await eventually(lambda: mirror.revision >= last)
        assert len(changes) == 1000 * rounds + 1
        assert (mirror.repairs, deaf.watches) == (0, 1)


async def test_quiet_prefixes_keep_up_with_the_history_of_others(etcd: Store, prefix: str, world: World) -> None:
    """Otherwise a break after a quiet hour would find its place in history compacted."""
    async with running(Mirror(etcd, prefix, decode, relist_every=0.05)) as mirror:
        elsewhere = await put(etcd, prefix.rstrip("/") + "-elsewhere", 1)
        await eventually(lambda: mirror.revision >= elsewhere)


async def test_subscribers_follow_without_a_gap(etcd: Store, prefix: str) -> None:
    async with running(Mirror(etcd, prefix, decode)) as mirror:
        writing = asyncio.create_task(write_numbers(etcd, prefix, 300))
        await eventually(lambda: len(mirror.values) > 20)
        with mirror.subscribe() as news:
            state = dict(mirror.values)
            async with asyncio.timeout(30):
                async for changes in news:
                    assert isinstance(changes, Changes)
                    state.update((change.key, change.value) for change in changes.changes)
                    if len(state) == 300:
                        break
        await writing
        assert state == dict(mirror.values)


async def reached(mirror: Mirror[Any], revision: int) -> None:
    await eventually(lambda: mirror.revision >= revision)


async def write_numbers(etcd: Store, prefix: str, many: int) -> None:
    for number in range(many):
        await put(etcd, f"{prefix}{number:03}", number)


async def test_a_slow_subscriber_is_told_once_and_starts_over(etcd: Store, prefix: str) -> None:
    async with running(Mirror(etcd, prefix, decode)) as mirror:
        with mirror.subscribe(depth=3) as slow, mirror.subscribe() as quick:
            for number in range(5):  # one at a time, so that each is a change of its own
                written = await put(etcd, prefix + "a", number)
                await reached(mirror, written)
            assert await anext(slow) == Lagged()
            later = await put(etcd, prefix + "later", 1)
            changes = await anext(slow)
            assert isinstance(changes, Changes)
            assert [change.revision for change in changes.changes] == [later]
            assert isinstance(await anext(quick), Changes)


async def test_it_waits_for_a_store_that_is_not_there_yet(etcd: Store, prefix: str, world: World) -> None:
    world.stop()
    mirror = Mirror(etcd, prefix, decode)
    task = asyncio.create_task(mirror.run())
    await eventually(lambda: isinstance(mirror.trouble, EtcdUnavailable))
    assert not mirror.ready.is_set()
    world.start()
    await eventually(mirror.ready.is_set)
    assert mirror.trouble is None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
