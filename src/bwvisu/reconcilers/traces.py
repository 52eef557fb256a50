"""The way of each job from its request to its first page, as one trace: for whoever collects traces.

A trace is drawn when a job becomes available, or ends without having been, from the times that are stored with it: its
id is that of the request (`bwvisu.correlation`), so that log lines lead to it, and a span is a state.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise

from bwvisu.domain.job import JobSpec, JobStatus, Moment
from bwvisu.domain.lifecycle import State
from bwvisu.domain.observation import SubmitResult
from bwvisu.domain.trace import Span, Trace
from bwvisu.reconcilers.execute import Watching
from bwvisu.reconcilers.trail import entered

MOST = 1000
"""Traces of one cluster that wait while the collector is away: then the oldest are dropped."""


Send = Callable[[Sequence[Trace]], Awaitable[None]]
"""Hands traces in; raises where nobody took them, or nobody knows."""


def drawn(spec: JobSpec, before: JobStatus, after: JobStatus) -> Trace | None:
    """The trace that is complete with this version of a job's status; None: with another one, or never."""
    if spec.request is None or any(each.state is State.AVAILABLE for each in before.timeline):
        return None
    last = next((each for each in entered(before, after) if each.state in {State.AVAILABLE, State.FINISHED}), None)
    if last is None:
        return None
    way = [Moment(state=State.ACCEPTED, at=spec.created_at), *after.timeline[: after.timeline.index(last) + 1]]
    # The API's clock and the leader's are two: no state ends before it began.
    spans = [Span(one.state.value, one.at, max(one.at, then.at)) for one, then in pairwise(way)]
    failure = ""
    if last.state is State.FINISHED:
        failure = after.reason.code if after.reason else (after.outcome.value if after.outcome else "")
    return Trace(spec.request, spec.id, spec.cluster, spec.application, tuple(spans), failure)


class Traces:
    """`Watching` that draws traces, and hands them in from time to time."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: deque[Trace] = deque(maxlen=MOST)

    def submitted(self, result: SubmitResult) -> None:
        """See `Watching`."""

    def stored(self, spec: JobSpec, before: JobStatus, after: JobStatus, *, answered: bool) -> None:  # noqa: ARG002
        """See `Watching`."""
        if (trace := drawn(spec, before, after)) is not None:
            self._waiting.append(trace)

    async def reconcile(self) -> int:
        """Hand in what waits; how many were taken.  What was not waits on.  Raises as `Send` does."""
        sending = list(self._waiting)
        if sending:
            await self._send(sending)
        sent = {id(each) for each in sending}  # others may have come, and the oldest may have been dropped, meanwhile
        while self._waiting and id(self._waiting[0]) in sent:
            self._waiting.popleft()
        return len(sending)


class Together:
    """Several that watch."""

    def __init__(self, watching: Sequence[Watching]) -> None:
        self._watching = watching

    def submitted(self, result: SubmitResult) -> None:
        """See `Watching`."""
        for each in self._watching:
            each.submitted(result)

    def stored(self, spec: JobSpec, before: JobStatus, after: JobStatus, *, answered: bool) -> None:
        """See `Watching`."""
        for each in self._watching:
            each.stored(spec, before, after, answered=answered)
