"""Places that are given back: against a real etcd, beside an API that takes places meanwhile."""

from bwvisu.adapters.etcd import Absent, Committed, Put, Store, Unchanged
from bwvisu.adapters.records import Keys, decode, encode
from bwvisu.domain.job import JobStatus
from bwvisu.domain.lifecycle import Outcome, Phase
from bwvisu.domain.quota import Quota
from bwvisu.reconcilers.leadership import Leadership
from bwvisu.reconcilers.quota import QuotaReconciler
from bwvisu.reconcilers.records import Records
from bwvisu.reconcilers.writer import Writer
from tests.unit.planning.build import ID, OTHER_ID, spec

OVER = JobStatus(phase=Phase.FINISHED, outcome=Outcome.COMPLETED)


class Term:
    """A leader whose mirror shows what the test says."""

    def __init__(self, store: Store, keys: Keys, writer: Writer, records: Records) -> None:
        self.store, self.keys, self.records = store, keys, records
        self.key = keys.quota("main", "alice")
        self.quota = QuotaReconciler("main", records, writer)

    @classmethod
    async def begin(cls, store: Store, keys: Keys) -> "Term":
        lease = await store.lease(30)
        won = await store.commit([Absent(keys.leader)], [Put(keys.leader, b"{}", lease.id)])
        assert isinstance(won, Committed)
        records = Records(keys)
        return cls(store, keys, Writer(Leadership(store, keys.leader, won.revision, lease), records), records)

    async def book(self, *jobs: str) -> int:
        """The API writes the book, and the mirror shows it."""
        quota = Quota(jobs=dict.fromkeys(jobs, "page"))
        stored = await self.store.commit([], [Put(self.key, encode(quota))])
        self.records.change(self.key, stored.revision, quota)
        return stored.revision

    async def shown(self) -> list[str] | None:
        entry = await self.store.get(self.key)
        return sorted(decode(Quota, entry.value).jobs) if entry is not None else None


async def test_a_job_that_is_over_gives_its_place_back(store: Store, keys: Keys) -> None:
    term = await Term.begin(store, keys)
    for job_id in (ID, OTHER_ID):
        term.records.change(keys.spec(job_id), 1, spec(job_id=job_id))
    term.records.change(keys.status(ID), 1, OVER)
    await term.book(ID, OTHER_ID)
    await term.quota.reconcile()
    assert await term.shown() == [OTHER_ID]
    term.records.change(keys.status(OTHER_ID), 1, OVER)
    await term.quota.reconcile()
    assert await term.shown() is None
    assert await term.quota.reconcile() == 0


async def test_forgotten_jobs_go_and_unreadable_ones_stay(store: Store, keys: Keys) -> None:
    term = await Term.begin(store, keys)
    term.records.unreadable = {OTHER_ID}
    await term.book(ID, OTHER_ID)
    await term.quota.reconcile()
    assert await term.shown() == [OTHER_ID]


async def test_jobs_from_before_the_limit_are_counted(store: Store, keys: Keys) -> None:
    term = await Term.begin(store, keys)
    for job_id in (ID, OTHER_ID):
        term.records.change(keys.spec(job_id), 1, spec(job_id=job_id))
    await term.book(ID)
    await term.quota.reconcile()
    assert await term.shown() == [ID, OTHER_ID]


async def test_a_place_taken_meanwhile_is_not_lost(store: Store, keys: Keys) -> None:
    """The API accepts a job while the leader, who has not seen it, gives another's place back."""
    term = await Term.begin(store, keys)
    revision = await term.book(ID)
    both = Quota(jobs={ID: "page", OTHER_ID: "page"})
    taken = await store.commit([Unchanged(term.key, revision)], [Put(term.key, encode(both))])
    assert isinstance(taken, Committed)
    for _ in range(3):  # the first pass meets the newer book; no later one may judge a job that the watch has not shown
        await term.quota.reconcile()
    assert OTHER_ID in (await term.shown() or [])
    term.records.change(keys.spec(OTHER_ID), taken.revision, spec(job_id=OTHER_ID))
    term.records.change(term.key, taken.revision, both)
    await term.quota.reconcile()
    assert await term.shown() == [OTHER_ID]


async def test_other_clusters_books_are_left_alone(store: Store, keys: Keys) -> None:
    term = await Term.begin(store, keys)
    await term.book(ID)
    lease = await store.lease(30)
    other = QuotaReconciler("other", term.records, Writer(Leadership(store, keys.leader, 1, lease), term.records))
    assert await other.reconcile() == 0
    assert await term.shown() == [ID]
