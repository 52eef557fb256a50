"""As much history as is kept, and what was rendered for it.  Pure."""

from collections import deque
from collections.abc import Callable
from itertools import takewhile

from bwvisu.domain.job import JobId
from bwvisu.services.events import Event, Interest, Moment


class Ring:
    """The newest moments, so many and so many bytes of them at most.

    ``floor``: whoever has seen everything up to there finds the rest here.  ``revision``: there is nothing newer.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._moments: deque[Moment] = deque()
        self._bytes = 0
        self.floor = self.revision = 0

    def reset(self, revision: int) -> None:
        """Begin anew: what led to ``revision`` is not known."""
        self._moments.clear()
        self._bytes = 0
        self.floor = self.revision = revision

    def append(self, moment: Moment) -> None:
        """Keep a moment, and no more of the oldest than there is room for."""
        self._moments.append(moment)
        self._bytes += moment.size
        self.revision = moment.revision
        while len(self._moments) > self._most or self._bytes > self._most_bytes:
            gone = self._moments.popleft()
            self._bytes -= gone.size
            self.floor = gone.revision

    def since(self, revision: int, interest: Interest) -> list[Event]:
        """What of interest happened after ``revision``, which must not lie below the floor."""
        newer = list(takewhile(lambda moment: moment.revision > revision, reversed(self._moments)))
        return [event for moment in reversed(newer) for event in moment.chosen(interest)]


class Documents:
    """Jobs as bytes, each version rendered once however many ask; the most recent are kept."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._kept: dict[JobId, tuple[int, bytes]] = {}

    def of(self, job_id: JobId, revision: int, render: Callable[[], bytes]) -> bytes:
        """This version of the job."""
        known = self._kept.get(job_id)
        if known is not None and known[0] == revision:
            return known[1]
        document = render()
        if known is None or known[0] < revision:
            self.forget(job_id)  # so that it goes to the end of the queue
            self._kept[job_id] = revision, document
            if len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]
        return document

    def forget(self, job_id: JobId) -> None:
        """There is no such job any more."""
        self._kept.pop(job_id, None)
