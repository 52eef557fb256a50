"""Ids of jobs in order of their age, so that a page of a list costs the same however many jobs there are."""

from bisect import bisect_left, insort
from collections.abc import Iterator

from bwvisu.domain.job import JobId


class Ids:
    """A sorted set of ids.  ULIDs sort by the time that they were drawn at."""

    def __init__(self) -> None:
        self._ids: list[JobId] = []

    def __len__(self) -> int:
        return len(self._ids)

    def keep(self, job_id: JobId, *, present: bool) -> None:
        """Have the id in or out; cheap where it is so already, and where it is among the newest."""
        at = bisect_left(self._ids, job_id)
        there = at < len(self._ids) and self._ids[at] == job_id
        if present and not there:
            insort(self._ids, job_id, lo=at)
        elif there and not present:
            del self._ids[at]

    def before(self, job_id: JobId | None) -> Iterator[JobId]:
        """Ids that are older than ``job_id``, newest first; None: all.  Not to be kept across an await."""
        end = len(self._ids) if job_id is None else bisect_left(self._ids, job_id)
        return (self._ids[at] for at in range(end - 1, -1, -1))


class JobIndex:
    """Which jobs there are, whose they are, and which of them are not finished."""

    def __init__(self) -> None:
        self._all = Ids()
        self._live = Ids()
        self._of_user: dict[str, Ids] = {}

    def keep(self, job_id: JobId, user: str, *, present: bool, live: bool) -> None:
        """Note a job, or its absence."""
        self._all.keep(job_id, present=present)
        self._live.keep(job_id, present=present and live)
        own = self._of_user.setdefault(user, Ids())
        own.keep(job_id, present=present)
        if not own:
            del self._of_user[user]

    def candidates(self, *, user: str | None, live: bool) -> Ids:
        """The shortest list that surely holds all jobs of ``user``, or all that are not finished."""
        if user is not None:
            return self._of_user.get(user) or Ids()
        return self._live if live else self._all
