"""Pages of jobs, newest first, from memory.

The first page fixes which jobs the later ones may show: those that existed then, by etcd's own order.  Jobs that
are accepted meanwhile shift nothing; each job is shown as it is when its page is read.  A replica that has not yet seen
all of them, since its watch is late, waits for them or says so: a page that lacks some would look like the last one.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Self

from bwvisu.domain.job import JobId
from bwvisu.domain.lifecycle import State as JobState
from bwvisu.domain.naming import ULID
from bwvisu.domain.principal import Principal
from bwvisu.errors import Fault, InvalidInput, TryAgain
from bwvisu.services.context import Context
from bwvisu.services.state import Job

PATIENCE = 2.0
"""Seconds that we give ourselves to see what another replica has seen already."""
_CURSOR = re.compile(rf"([0-9]{{1,19}})\.({ULID.pattern})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs are asked for; None: any."""

    user: str | None = None
    state: JobState | None = None
    application: str | None = None
    cluster: str | None = None
    slurm_job: int | None = None

    def admits(self, job: Job) -> bool:
        """Whether the job is one of them."""
        number = job.status.slurm.job_id if job.status.slurm else 0
        wanted = (self.user, self.state, self.application, self.cluster, self.slurm_job)
        has = (job.spec.user, job.status.state, job.spec.application, job.spec.cluster, number)
        return all(want is None or want == own for want, own in zip(wanted, has, strict=True))


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page begins: after ``last``, among jobs that were created up to ``revision``."""

    revision: int
    last: JobId | None

    def __str__(self) -> str:
        return urlsafe_b64encode(f"{self.revision}.{self.last}".encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a page gave out; raises `InvalidInput`."""
        try:
            match = _CURSOR.fullmatch(urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii"))
        except ValueError:
            match = None
        if match is None:
            raise _no_cursor()
        return cls(int(match[1]), match[2])


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, and where to go on; None: that was all."""

    items: tuple[Job, ...]
    next_cursor: str | None


async def list_jobs(context: Context, principal: Principal, wanted: Filter, *, limit: int, cursor: str | None) -> Page:
    """One page of at most ``limit`` jobs that the principal may see.  Raises InvalidInput, TryAgain."""
    begin = Cursor.parse(cursor) if cursor is not None else Cursor(context.state.newest, None)
    if not await context.state.until(lambda: context.state.specs.revision >= begin.revision, PATIENCE):
        _, newest = await context.state.newest_in_etcd()
        if begin.revision > newest:  # made up, or given out before etcd was restored: it will never come
            raise _no_cursor()
        raise TryAgain("this replica has not yet seen what the first page was made of; ask again", after=1)
    if wanted.user is not None and not principal.may_see(wanted.user):
        return Page((), None)
    user = wanted.user or principal.user
    live = wanted.state not in (None, JobState.FINISHED)
    ids = context.state.index.candidates(user=user, live=live).before(begin.last)
    found = tuple(islice(_existing(context, ids, begin.revision, wanted), limit + 1))
    more = len(found) > limit
    return Page(found[:limit], str(Cursor(begin.revision, found[limit - 1].spec.id)) if more else None)


def _no_cursor() -> InvalidInput:
    return InvalidInput([Fault("/cursor", "is not a cursor of this API")])


def _existing(context: Context, ids: Iterator[JobId], revision: int, wanted: Filter) -> Iterator[Job]:
    state = context.state
    for job_id in ids:
        job = state.job(job_id)
        if job and wanted.admits(job) and state.specs.entries[state.keys.spec(job_id)].create_revision <= revision:
            yield job
