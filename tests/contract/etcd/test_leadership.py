"""Leadership upon a store: one at a time, fenced, and never believed in for too long."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from bwvisu.adapters.etcd import (
    Committed,
    Condition,
    Conflict,
    CreatedAt,
    Delete,
    Operation,
    OutcomeUnknown,
    Put,
    Store,
    Unchanged,
)
from bwvisu.reconcilers.leadership import Candidate, Election, Leadership, NotLeader
from tests.contract.etcd.conftest import World
from tests.contract.etcd.test_mirror import Deaf
from tests.support.waiting import eventually


class Office:
    """A candidate at work: its terms, and whether it works at present."""

    def __init__(self, store: Store, key: str, name: str = "one", ttl: int = 60) -> None:
        self.election = Election(store, key, Candidate(name, "host"), ttl=ttl)
        self.terms: list[Leadership] = []
        self.working = False

    @property
    def term(self) -> Leadership:
        return self.terms[-1]

    async def work(self, leadership: Leadership) -> None:
        self.terms.append(leadership)
        self.working = True
        try:
            await asyncio.Event().wait()
        finally:
            self.working = False

    @asynccontextmanager
    async def standing(self) -> AsyncIterator["Office"]:
        task = asyncio.create_task(self.election.run(self.work))
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
def key(prefix: str) -> str:
    return prefix + "leader"


async def test_the_first_one_leads_and_says_who_it_is(etcd: Store, key: str) -> None:
    async with Office(etcd, key).standing() as office:
        await eventually(lambda: office.working)
        entry = await etcd.get(key)
        assert entry is not None
        assert office.term.epoch == entry.create_revision
        assert office.term.fence_condition() == CreatedAt(key, office.term.epoch)
        record = json.loads(entry.value)
        assert (record["name"], record["host"], record["since"][-6:]) == ("one", "host", "+00:00")
        assert 30 < office.term.remaining() <= 60
    assert await etcd.get(key) is None, "the office is vacated at once"


async def test_one_leads_and_the_other_follows_at_once(etcd: Store, key: str) -> None:
    first, second = Office(etcd, key, "first", ttl=60), Office(etcd, key, "second", ttl=60)
    async with first.standing():
        await eventually(lambda: first.working)
        waiting = asyncio.create_task(second.election.run(second.work))
        await asyncio.wait({waiting}, timeout=0.3)
        assert not second.terms
    await eventually(lambda: second.working)  # which is long before the lease would end
    assert second.term.epoch > first.term.epoch
    waiting.cancel()
    await asyncio.wait({waiting})


async def test_the_term_is_renewed_past_its_lease(etcd: Store, key: str) -> None:
    async with Office(etcd, key, ttl=4).standing() as office:
        await eventually(lambda: office.working)
        lost = asyncio.create_task(office.term.lost.wait())
        await asyncio.wait({lost}, timeout=5)
        assert not lost.done()
        assert office.term.is_leader
        assert len(office.terms) == 1
        lost.cancel()


async def test_a_leader_writes_and_is_told_of_conflicts_that_are_not_about_its_office(
    etcd: Store, key: str, prefix: str
) -> None:
    async with Office(etcd, key).standing() as office:
        await eventually(lambda: office.working)
        written = await office.term.commit([], [Put(prefix + "a", b"1")])
        assert isinstance(written, Committed)
        entry = await etcd.get(prefix + "a")
        assert await office.term.commit([Unchanged(prefix + "a", 1)], [Delete(prefix + "a")]) == Conflict(
            {prefix + "a": entry}, written.revision
        )
        assert office.term.is_leader


async def test_who_lost_the_office_is_fenced_off_before_knowing_it(etcd: Store, key: str, prefix: str) -> None:
    async with Office(etcd, key, ttl=60).standing() as office:
        await eventually(lambda: office.working)
        term = office.term
        await etcd.commit([], [Delete(key)])
        assert term.is_leader
        with pytest.raises(NotLeader):
            await term.commit([], [Put(prefix + "a", b"stale")])
        assert not term.is_leader
        assert await etcd.get(prefix + "a") is None
        await eventually(lambda: len(office.terms) == 2)
        with pytest.raises(NotLeader):
            term.guard(0)
        with pytest.raises(NotLeader):
            await term.commit([], [Put(prefix + "a", b"stale")])
        assert office.term.epoch > term.epoch


async def test_a_leader_with_nothing_to_write_notices_that_its_key_is_gone(etcd: Store, key: str) -> None:
    async with Office(etcd, key, ttl=2).standing() as office:
        await eventually(lambda: office.working)
        await etcd.commit([], [Delete(key)])
        await eventually(lambda: len(office.terms) == 2)
        assert not office.terms[0].is_leader


async def test_without_a_store_a_leader_steps_down_in_time(etcd: Store, key: str, world: World) -> None:
    async with Office(etcd, key, ttl=6).standing() as office:
        await eventually(lambda: office.working)
        term = office.term
        left = term.remaining()
        world.pause()
        await eventually(lambda: not office.working, seconds=left + 3)  # this process may be late, too
        assert not term.is_leader
        world.resume()
        await eventually(lambda: office.working)
        assert office.term.epoch > term.epoch


async def test_no_effect_is_begun_that_may_outlast_the_term(etcd: Store, key: str) -> None:
    async with Office(etcd, key, ttl=10).standing() as office:
        await eventually(lambda: office.working)
        office.term.guard(5)
        with pytest.raises(NotLeader, match="11"):
            office.term.guard(11)
        assert office.term.is_leader


class Forgetful(Deaf):
    """Applies the first transaction and loses the answer."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.commits = 0

    async def commit(self, conditions: Sequence[Condition], operations: Sequence[Operation]) -> Committed | Conflict:
        self.commits += 1
        result = await super().commit(conditions, operations)
        if self.commits == 1:
            raise OutcomeUnknown("the answer was lost")
        return result


async def test_an_election_whose_answer_was_lost_is_recognised(etcd: Store, key: str) -> None:
    async with Office(Forgetful(etcd), key, ttl=60).standing() as office:
        await eventually(lambda: office.working)
        entry = await etcd.get(key)
        assert entry is not None
        assert office.term.epoch == entry.create_revision


async def test_what_the_work_raises_ends_the_election_and_vacates_the_office(etcd: Store, key: str) -> None:
    async def broken(_: Leadership) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await Election(etcd, key, Candidate("one", "host"), ttl=60).run(broken)
    assert await etcd.get(key) is None
