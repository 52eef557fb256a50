"""Takes jobs that are over off their owners' books, so that their places are free again."""

from collections.abc import Mapping

from bwvisu.domain.job import JobId
from bwvisu.domain.lifecycle import State
from bwvisu.domain.quota import Quota
from bwvisu.planning.quota import counted
from bwvisu.reconcilers.records import Kept, Records
from bwvisu.reconcilers.writer import Writer


class QuotaReconciler:
    """The books of one cluster; the API writes them too, so every write is a compare-and-swap."""

    def __init__(self, cluster: str, records: Records, writer: Writer) -> None:
        self._prefix = f"{cluster}/"
        self._cluster = cluster
        self._records = records
        self._writer = writer

    async def reconcile(self) -> int:
        """Correct every book that is not as it should be; returns how many there are."""
        books = {tail: kept for tail, kept in self._records.quota.kept.items() if tail.startswith(self._prefix)}
        if books:
            live = self._live()
            for tail, kept in books.items():
                await self._correct(tail, kept, live.get(tail.removeprefix(self._prefix), {}))
        return len(books)

    def _live(self) -> Mapping[str, Mapping[JobId, str]]:
        """Unfinished jobs of every person, with their applications."""
        found: dict[str, dict[JobId, str]] = {}
        for job_id, kept in self._records.specs.kept.items():
            spec, status = kept.record, self._records.status.get(job_id)
            if spec.cluster == self._cluster and (status is None or status.state is not State.FINISHED):
                found.setdefault(spec.user, {})[job_id] = spec.application
        return found

    async def _correct(self, tail: str, kept: Kept[Quota], live: Mapping[JobId, str]) -> None:
        right = counted(kept.record, live, self._unclear(tail, kept.record))
        if right == kept.record:
            return
        key = self._records.keys.kind("quota") + tail
        if right.jobs:
            await self._writer.put(key, right, kept.revision)
        else:
            await self._writer.delete(key, kept.revision)

    def _unclear(self, tail: str, quota: Quota) -> set[JobId]:
        """Jobs with an unreadable record; and unknown ones while the book is newer than what the watch has shown."""
        early = tail in self._records.quota.newest
        return {
            job_id
            for job_id in quota.jobs
            if job_id in self._records.unreadable or (early and job_id not in self._records.specs.kept)
        }
