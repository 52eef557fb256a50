"""Follow jobs without polling: first a snapshot, or what happened since a given place, then every change."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

from bwvisu.domain.job import JobId
from bwvisu.domain.principal import Principal
from bwvisu.errors import TryAgain
from bwvisu.services.context import Context, visible
from bwvisu.services.events import Event, Interest, Lapse, Part, Quiet, Resync
from bwvisu.services.feed import PATIENCE, Feed
from bwvisu.services.mailbox import AT_ONCE

_NOBODY = ""
"""No account has this name."""


class Stream:
    """One reader's way through the feed.  To be used with ``with``, and read once."""

    def __init__(
        self, feed: Feed, interest: Interest, since: str | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._feed = feed
        self._since = since
        self._clock = clock
        self._mailbox = feed.enter(interest)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._feed.leave(self._mailbox)

    @property
    def generation(self) -> int:
        """That of every revision."""
        return self._feed.generation

    async def parts(self) -> AsyncIterator[Sequence[Part]]:
        """What to tell the reader, a few parts at a time; waits for nobody but the reader.

        It ends when its time is up, when the service stops, and with the one job that it is about.
        """
        mailbox, limits = self._mailbox, self._feed.limits
        ends_at = self._clock() + limits.lifetime
        for some in self._anew(None) if self._since is None else self._resumed(self._since):
            yield self._noted(some)
        while not mailbox.ended and (left := ends_at - self._clock()) > 0:
            if mailbox.lapse is not None:
                for some in self._anew(mailbox.lapse):
                    yield self._noted(some)
            elif events := mailbox.some():
                yield self._noted(events)
                if mailbox.empty:
                    await asyncio.sleep(limits.pace)
            elif not await mailbox.news(min(limits.heartbeat, left)):
                yield [Quiet(self._feed.revision)]

    def _resumed(self, since: str) -> Iterator[Sequence[Part]]:
        """What happened since, or a snapshot where that is not known."""
        found = self._feed.resume(since)
        return self._anew(found) if isinstance(found, Lapse) else self._missed(found)

    def _missed(self, revision: int) -> Iterator[Sequence[Part]]:
        self._mailbox.clear()
        events = self._feed.since(revision, self._mailbox.interest)
        return (events[begin : begin + AT_ONCE] for begin in range(0, len(events), AT_ONCE))

    def _anew(self, lapse: Lapse | None) -> Iterator[Sequence[Part]]:
        """A snapshot as of now; it is given up where the reader has to begin anew meanwhile."""
        self._mailbox.clear()
        interest, revision = self._mailbox.interest, self._feed.revision
        snapshot = self._feed.snapshot(interest)
        if lapse is not None:
            self._feed.lapses[lapse] += 1
            yield [Resync(lapse)]
        for part in snapshot:
            if self._mailbox.lapse is not None:
                return
            yield [part]
            if interest.job_id is not None and not part.documents:
                yield [Event(revision, interest.job_id, "", "", None)]

    def _noted(self, some: Sequence[Part]) -> Sequence[Part]:
        """A stream of one job ends with it."""
        last = some[-1]
        if self._mailbox.interest.job_id is not None and isinstance(last, Event) and last.document is None:
            self._mailbox.end()
        return some


async def follow_job(context: Context, feed: Feed, principal: Principal, job_id: JobId, since: str | None) -> Stream:
    """A stream of one job.  Raises NotFound, TryAgain."""
    await visible(context, principal, job_id)
    if not await context.state.until(lambda: context.state.job(job_id) is not None, PATIENCE):
        raise TryAgain("the job has just been accepted elsewhere, or forgotten; ask again", after=1)
    if since is not None:
        await feed.caught_up(since)
    return Stream(feed, Interest(job_id=job_id), since)


async def follow_jobs(
    feed: Feed, principal: Principal, *, user: str | None, cluster: str | None, since: str | None
) -> Stream:
    """A stream of all jobs that the principal may see, or of those of one user or cluster.  Raises TryAgain."""
    if user is not None and not principal.may_see(user):
        user = _NOBODY
    if since is not None:
        await feed.caught_up(since)
    return Stream(feed, Interest(user=principal.user if user is None else user, cluster=cluster), since)
