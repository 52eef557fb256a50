"""One watch upon the simulated etcd: both its ends and the stream between them."""

import asyncio
from collections import deque

from bwvisu.adapters.etcd import Batch, EtcdUnavailable, Event, Span
from tests.simulation.etcd_history import Step
from tests.simulation.etcd_line import Line

_PING_EVERY = 10.0
_PONG_WITHIN = 3.0
_RESEND_EVERY = 0.5
"""Seconds; what TCP does while the network is cut."""


class Watch:
    """Events of ``span`` from ``start`` on: whole transactions, in order, each once."""

    def __init__(self, line: Line, span: Span, start: int) -> None:
        self._line = line
        self._span = span
        self._start = start
        self._open = True
        self._stalled = False
        self._severed = False  # etcd has hung up; the client hears of it as soon as the network allows
        self._under_way: list[Event] = []
        self._inbox: deque[Batch] = deque()
        self._end: EtcdUnavailable | None = None
        self._news: asyncio.Future[None] | None = None

    async def next(self) -> Batch:
        """The next batch; raises EtcdUnavailable when the stream has ended."""
        while not self._inbox:
            if self._end is not None:
                raise self._end
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        return self._inbox.popleft()

    def close(self) -> None:
        """Nobody listens any more."""
        self._open = False
        if self in self._line.etcd.followers:
            self._line.etcd.followers.remove(self)

    # ---- the server's end -------------------------------------------------------------------------------------

    def attach(self) -> None:
        """Begin; raises Compacted."""
        if not self._open:
            return
        etcd = self._line.etcd
        owed = etcd.replay(self._span, self._start)
        etcd.followers.append(self)
        self._put_under_way(owed)
        self._line.later(_PING_EVERY, self._ping)

    def committed(self, step: Step) -> None:
        """Send what of a transaction is asked for."""
        if step.revision < self._start or self._stalled:
            return
        events = [event for event in step.events if event.key in self._span]
        if not events:
            return
        if self._line.weather.strikes("etcd.watch-stalled"):
            self._stalled = True
        elif self._line.weather.strikes("etcd.watch-broken"):
            self._break("the stream broke")
        else:
            self._put_under_way(events)

    def hung_up(self) -> None:
        """The server has died; where the network is cut, only a missing pong tells."""
        if self._line.reachable:
            self._break("etcd ended the watch")
        else:
            self._severed = True

    def _put_under_way(self, events: list[Event]) -> None:
        if events and not self._under_way:
            delay = self._line.travel()
            if self._line.weather.strikes("etcd.watch-late"):
                delay += self._line.weather.between(0.5, 10.0)
            self._line.later(delay, self._arrive)
        self._under_way.extend(events)

    # ---- the client's end -------------------------------------------------------------------------------------

    def _arrive(self) -> None:
        """What was under way is there, in one batch."""
        if not self._open or self._severed:
            return
        if not self._line.reachable:
            self._line.later(_RESEND_EVERY, self._arrive)
            return
        events, self._under_way = tuple(self._under_way), []
        self._inbox.append(Batch(events[-1].revision, events))
        self._wake()

    def _ping(self) -> None:
        if self._open:
            answered = self._answered()
            self._line.later(_PING_EVERY if answered else _PONG_WITHIN, self._ping if answered else self._judge)

    def _judge(self) -> None:
        """A ping went unanswered: was that all?"""
        if self._open and not self._answered():
            self._break("keepalive: no answer")
        else:
            self._ping()

    def _answered(self) -> bool:
        return self._line.reachable and self._line.etcd.answering and not self._severed

    def _break(self, reason: str) -> None:
        self.close()
        self._end = EtcdUnavailable(reason)
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
