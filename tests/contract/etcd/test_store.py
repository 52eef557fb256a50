"""Reads, transactions and leases."""

import asyncio

import pytest

from bwvisu.adapters.etcd import (
    MAX_OPERATIONS,
    Absent,
    Committed,
    Compacted,
    Conflict,
    CreatedAt,
    Delete,
    DeletePrefix,
    EtcdRefused,
    LeaseLost,
    Operation,
    Put,
    Store,
    TransactionTooLarge,
    Unchanged,
)
from tests.contract.etcd.conftest import World
from tests.support.waiting import eventually, eventually_true


async def put(etcd: Store, key: str, value: bytes = b"x", lease: int = 0) -> int:
    result = await etcd.commit([], [Put(key, value, lease)])
    assert isinstance(result, Committed)
    return result.revision


async def test_a_key_is_created_once(etcd: Store, prefix: str) -> None:
    key = prefix + "a"
    first = await etcd.commit([Absent(key)], [Put(key, b"1")])
    second = await etcd.commit([Absent(key)], [Put(key, b"2")])
    entry = await etcd.get(key)
    assert isinstance(first, Committed)
    assert isinstance(second, Conflict)
    assert entry is not None
    assert second.current == {key: entry}
    assert (entry.value, entry.create_revision, entry.mod_revision) == (b"1", first.revision, first.revision)


async def test_an_absent_key_is_none(etcd: Store, prefix: str) -> None:
    assert await etcd.get(prefix + "never") is None


async def test_compare_and_swap_sees_a_change_in_between(etcd: Store, prefix: str) -> None:
    key = prefix + "a"
    stale = await put(etcd, key, b"1")
    fresh = await put(etcd, key, b"2")
    refused = await etcd.commit([Unchanged(key, stale)], [Put(key, b"3")])
    accepted = await etcd.commit([Unchanged(key, fresh)], [Put(key, b"4")])
    assert isinstance(refused, Conflict)
    assert isinstance(accepted, Committed)
    current = refused.current[key]
    assert current is not None
    assert (current.value, current.mod_revision) == (b"2", fresh)


async def test_of_many_who_swap_at_once_one_wins(etcd: Store, prefix: str) -> None:
    key = prefix + "a"
    before = await put(etcd, key)
    results = await asyncio.gather(
        *(etcd.commit([Unchanged(key, before)], [Put(key, str(n).encode())]) for n in range(20))
    )
    assert sum(isinstance(result, Committed) for result in results) == 1


async def test_a_fence_outlives_updates_but_not_a_new_creation(etcd: Store, prefix: str) -> None:
    key, other = prefix + "leader", prefix + "other"
    epoch = await put(etcd, key)
    await put(etcd, key, b"updated")
    assert isinstance(await etcd.commit([CreatedAt(key, epoch)], [Put(other, b"")]), Committed)
    await etcd.commit([], [Delete(key)])
    assert await etcd.commit([CreatedAt(key, epoch)], [Delete(other)]) == Conflict(
        {key: None}, (await etcd.list(prefix)).revision
    )
    await put(etcd, key)
    assert isinstance(await etcd.commit([CreatedAt(key, epoch)], [Delete(other)]), Conflict)
    assert await etcd.get(other) is not None


async def test_a_transaction_is_all_or_nothing(etcd: Store, prefix: str) -> None:
    a, b, c = (prefix + name for name in "abc")
    await put(etcd, a)
    result = await etcd.commit([Absent(b), Absent(a)], [Put(b, b""), Put(c, b""), Delete(a)])
    assert isinstance(result, Conflict)
    assert result.current.keys() == {a, b}
    assert result.current[b] is None
    assert list((await etcd.list(prefix)).entries) == [a]
    done = await etcd.commit([Absent(b)], [Put(b, b""), Put(c, b""), Delete(a)])
    assert isinstance(done, Committed)
    assert {key: entry.mod_revision for key, entry in (await etcd.list(prefix)).entries.items()} == {
        b: done.revision,
        c: done.revision,
    }


async def test_deleting_a_prefix_spares_its_neighbours(etcd: Store, prefix: str) -> None:
    for name in ("a", "a/1", "a/2", "a0", "b"):
        await put(etcd, prefix + name)
    await etcd.commit([], [DeletePrefix(prefix + "a/"), Delete(prefix + "not there")])
    assert list((await etcd.list(prefix)).entries) == [prefix + name for name in ("a", "a0", "b")]


async def test_a_key_is_not_written_twice_in_one_transaction(etcd: Store, prefix: str) -> None:
    key = prefix + "a"
    again: tuple[Operation, ...] = (Put(key, b"2"), Delete(key), DeletePrefix(prefix))
    for second in again:
        with pytest.raises(EtcdRefused, match="duplicate key"):
            await etcd.commit([], [Put(key, b"1"), second])
    assert await etcd.get(key) is None


async def test_what_changes_nothing_takes_no_revision(etcd: Store, prefix: str) -> None:
    before = await put(etcd, prefix + "a")
    nothings: tuple[list[Operation], ...] = ([], [Delete(prefix + "b")], [DeletePrefix(prefix + "b")])
    for nothing in nothings:
        assert await etcd.commit([], nothing) == Committed(before)
    assert isinstance(await etcd.commit([Absent(prefix + "a")], []), Conflict)
    assert (await etcd.list(prefix)).revision == before


async def test_an_absent_key_has_revision_0(etcd: Store, prefix: str) -> None:
    never, there = prefix + "never", prefix + "there"
    await put(etcd, there)
    assert isinstance(await etcd.commit([Unchanged(never, 0), CreatedAt(never, 0)], []), Committed)
    assert isinstance(await etcd.commit([Unchanged(there, 0)], []), Conflict)


async def test_the_largest_transaction_is_taken_and_a_larger_one_never_split(etcd: Store, prefix: str) -> None:
    operations: list[Operation] = [Put(f"{prefix}{n:03}", b"") for n in range(MAX_OPERATIONS + 1)]
    with pytest.raises(TransactionTooLarge):
        await etcd.commit([], operations)
    assert not (await etcd.list(prefix)).entries
    assert isinstance(await etcd.commit([], operations[1:]), Committed)
    assert len((await etcd.list(prefix)).entries) == MAX_OPERATIONS


@pytest.mark.parametrize("size", [1_700_000, 3_000_000])
async def test_a_value_over_the_limit_is_named_as_such(etcd: Store, prefix: str, size: int) -> None:
    with pytest.raises(TransactionTooLarge):
        await put(etcd, prefix + "a", bytes(size))


async def test_a_listing_is_ordered_paged_and_of_one_revision(etcd: Store, prefix: str) -> None:
    keys = [f"{prefix}{number:02}" for number in range(30)]
    await etcd.commit([], [Put(key, b"old") for key in keys])
    revision = (await etcd.list(prefix)).revision
    await etcd.commit([], [Put(key, b"new") for key in keys[15:]] + [Delete(keys[0])])
    old = await etcd.list(prefix, revision=revision)
    assert list(old.entries) == keys
    assert {entry.value for entry in old.entries.values()} == {b"old"}
    assert old.revision == revision
    new = await etcd.list(prefix)
    assert list(new.entries) == keys[1:]
    assert not new.more


async def test_a_listing_may_be_limited_and_continued(etcd: Store, prefix: str) -> None:
    keys = [f"{prefix}{number:02}" for number in range(30)]
    await etcd.commit([], [Put(key, b"") for key in keys])
    first = await etcd.list(prefix, limit=17)
    rest = await etcd.list(prefix, limit=17, after=keys[16], revision=first.revision)
    assert (list(first.entries), first.more) == (keys[:17], True)
    assert (list(rest.entries), rest.more) == (keys[17:], False)


async def test_a_listing_holds_still_while_others_write(etcd: Store, prefix: str) -> None:
    async def move() -> None:
        for number in range(100):
            await etcd.commit([], [Delete(f"{prefix}{number:03}"), Put(f"{prefix}{number + 1:03}", b"")])

    await etcd.commit([], [Put(f"{prefix}fixed{n}", b"") for n in range(20)] + [Put(f"{prefix}000", b"")])
    moving = asyncio.create_task(move())
    while not moving.done():
        assert len((await etcd.list(prefix)).entries) == 21  # at every instant exactly one of the moving keys
    await moving


async def test_a_listing_of_12_megabytes(prefix: str, world: World) -> None:
    async with world.client(10) as patient:
        for number in range(12):
            await put(patient, f"{prefix}{number:02}", bytes(1_000_000))
        listing = await patient.list(prefix)
        assert sum(len(entry.value) for entry in listing.entries.values()) == 12_000_000
        await patient.commit([], [DeletePrefix(prefix)])


async def test_a_revision_that_is_gone_is_said_to_be(etcd: Store, prefix: str, world: World) -> None:
    old = await put(etcd, prefix + "a")
    world.compact(await put(etcd, prefix + "a"))
    with pytest.raises(Compacted):
        await etcd.list(prefix, revision=old)
    assert list((await etcd.list(prefix)).entries) == [prefix + "a"]


async def test_the_compacted_revision_itself_is_kept(etcd: Store, prefix: str, world: World) -> None:
    kept = await put(etcd, prefix + "a", b"old")
    await put(etcd, prefix + "a", b"new")
    world.compact(kept)
    assert (await etcd.list(prefix, revision=kept)).entries[prefix + "a"].value == b"old"


async def test_a_revision_that_never_was_is_said_to_be_gone(etcd: Store, prefix: str) -> None:
    now = await put(etcd, prefix + "a")
    with pytest.raises(Compacted):
        await etcd.list(prefix, revision=now + 1000)


async def test_keys_go_when_their_lease_runs_out(etcd: Store, prefix: str) -> None:
    lease = await etcd.lease(4)
    assert 1 < lease.remaining() <= 4
    await put(etcd, prefix + "mortal", lease=lease.id)
    await put(etcd, prefix + "stays")
    held = await etcd.get(prefix + "mortal")
    assert held is not None
    assert held.lease == lease.id

    async def gone() -> bool:
        return list((await etcd.list(prefix)).entries) == [prefix + "stays"]

    await eventually_true(gone)
    assert lease.remaining() <= 0, "we must not believe in a lease for longer than etcd does"
    with pytest.raises(LeaseLost):
        await lease.keep_alive()
    with pytest.raises(LeaseLost):
        await put(etcd, prefix + "too late", lease=lease.id)


async def test_a_lease_that_is_kept_alive_holds(etcd: Store, prefix: str) -> None:
    lease = await etcd.lease(4)
    created = await put(etcd, prefix + "mortal", lease=lease.id)
    for _ in range(3):
        await eventually(lambda: lease.remaining() < 2.5)
        await lease.keep_alive()
        assert lease.remaining() > 2.5
    entry = await etcd.get(prefix + "mortal")
    assert entry is not None
    assert entry.create_revision == created


async def test_a_revoked_lease_takes_its_keys_at_once(etcd: Store, prefix: str) -> None:
    lease = await etcd.lease(60)
    await put(etcd, prefix + "mortal", lease=lease.id)
    await lease.revoke()
    await lease.revoke()
    assert await etcd.get(prefix + "mortal") is None
    assert lease.remaining() <= 0


async def test_keys_of_one_lease_go_together_and_what_was_rewritten_stays(etcd: Store, prefix: str) -> None:
    lease = await etcd.lease(60)
    await etcd.commit([], [Put(prefix + name, b"", lease.id) for name in "cab"])
    before = await put(etcd, prefix + "b", b"without a lease")
    await lease.revoke()
    listing = await etcd.list(prefix)
    assert (list(listing.entries), listing.revision) == ([prefix + "b"], before + 1)


async def test_a_lease_that_nobody_holds_counts_only_where_it_is_used(etcd: Store, prefix: str) -> None:
    strange = Put(prefix + "a", b"", 77)
    with pytest.raises(LeaseLost):
        await etcd.commit([], [Put(prefix + "b", b""), strange])
    assert isinstance(await etcd.commit([Unchanged(prefix + "a", 1)], [strange]), Conflict)
    assert not (await etcd.list(prefix)).entries


async def test_the_shortest_lease_is_two_seconds(etcd: Store) -> None:
    assert 1 < (await etcd.lease(1)).remaining() <= 2


async def test_keys_need_not_be_utf8(etcd: Store, prefix: str) -> None:
    key = prefix + b"a\xff".decode("utf-8", "surrogateescape")
    await put(etcd, key)
    await put(etcd, prefix + "b")
    assert list((await etcd.list(key)).entries) == [key]


@pytest.mark.parametrize("operation", [DeletePrefix(""), Delete(""), Put("", b"")])
async def test_the_empty_key_is_refused_before_it_is_sent(etcd: Store, operation: Operation) -> None:
    with pytest.raises(ValueError, match="empty"):
        await etcd.commit([], [operation])
