"""The leader's pen, against a real etcd and a copy that may be late."""

from bwvisu.adapters.etcd import Absent, Committed, Put, Store
from bwvisu.adapters.records import Keys, encode
from bwvisu.domain.job import JobStatus
from bwvisu.domain.lifecycle import Phase
from bwvisu.reconcilers.keyhole_host import LeaderBooks
from bwvisu.reconcilers.leadership import Leadership
from bwvisu.reconcilers.records import Records
from bwvisu.reconcilers.writer import Writer
from keyhole.domain import JobForwards
from tests.unit.planning.build import ID, spec

NEW, QUEUED = JobStatus(), JobStatus(phase=Phase.QUEUED, attempt=1)


async def in_office(store: Store, keys: Keys) -> Writer:
    lease = await store.lease(30)
    won = await store.commit([Absent(keys.leader)], [Put(keys.leader, b"{}", lease.id)])
    assert isinstance(won, Committed)
    return Writer(Leadership(store, keys.leader, won.revision, lease), Records(keys))


async def test_what_a_write_met_is_known_at_once(store: Store, keys: Keys) -> None:
    """A watch that stalls must not make the next write fail like this one: it was tried fifty times a second."""
    writer = await in_office(store, keys)
    records = writer._records
    key = keys.status(ID)
    unheard = await store.commit([], [Put(key, encode(QUEUED))])
    assert isinstance(unheard, Committed)
    assert not await writer.put(key, NEW, None)
    assert records.status.get(ID) == QUEUED
    assert records.status.revision(ID) == unheard.revision
    assert await writer.put(key, NEW, records.status.revision(ID))


async def test_a_record_that_a_write_missed_is_gone_at_once(store: Store, keys: Keys) -> None:
    writer = await in_office(store, keys)
    key = keys.status(ID)
    assert await writer.put(key, NEW, None)
    await store.commit([], [Put(key, encode(QUEUED))])
    assert not await writer.delete(key, writer._records.status.revision(ID) or 0)
    assert await writer.delete(key, writer._records.status.revision(ID) or 0)
    assert not await writer.put(key, NEW, 1)
    assert writer._records.status.get(ID) is None


async def test_forwards_of_a_forgotten_job_are_still_somebodys_business(store: Store, keys: Keys) -> None:
    """A refusal that was written while the job was being forgotten stayed for ever (seed 1437)."""
    writer = await in_office(store, keys)
    records = writer._records
    books = LeaderBooks("main", records, writer)
    records.change(keys.spec(ID), 1, spec())
    assert await books.write(JobForwards(job_id=ID), None)
    assert list(books.forwards()) == [ID]
    assert list(LeaderBooks("other", records, writer).forwards()) == []
    records.change(keys.spec(ID), 2, None)
    assert list(books.forwards()) == [ID]
