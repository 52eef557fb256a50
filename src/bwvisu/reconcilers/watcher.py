"""One `squeue` per cluster and interval, however many ask: the only eye on Slurm's queue."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from bwvisu.domain.observation import Look, Observation
from bwvisu.reconcilers.driver import Loop

log = structlog.get_logger(__name__)

REST = 5.0
"""Looks begin no closer than so many times what the last one took: looking takes at most a fifth of the time.  Not
after one that failed: the next is to tell at once when the cluster is back, and may go through another command node."""
HOPELESS = 2
"""So many failed looks in a row make a cluster unreachable."""


class Eye(Protocol):
    """Whoever can look."""

    async def look(self) -> Observation:
        """All our jobs of the cluster, or why they could not be seen."""
        ...


class Watcher:
    """Keeps the last complete look; wakes those who wait for a newer one."""

    def __init__(
        self,
        cluster: str,
        eye: Eye,
        on_look: Callable[[], None],
        *,
        poll_interval: float,
        gap: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.last: Look | None = None
        self.problem = "no look has been taken yet"
        """Why the last look was not complete; empty: it was."""
        self._failed = 0
        self._cluster = cluster
        self._eye = eye
        self._on_look = on_look
        self._poll_interval = poll_interval
        self._clock = clock
        self._waiting: list[tuple[float, asyncio.Future[bool]]] = []
        self._gap = gap
        self.loop = Loop(f"look:{cluster}", self.reconcile, interval=poll_interval, gap=gap, clock=clock)

    async def reconcile(self) -> Observation:
        """Take one look."""
        began = self._clock()
        seen = await self._eye.look()
        took = self._clock() - began
        if isinstance(seen, Look):
            took = seen.ended_at - seen.began_at  # without the search for a command node that answers
            self.loop.pace(interval=max(self._poll_interval, REST * took), gap=max(self._gap, REST * took))
        else:
            self.loop.pace(interval=self._poll_interval + took, gap=self._gap + took)
        self._note(seen)
        self._wake(began, complete=isinstance(seen, Look))
        self._on_look()
        return seen

    @property
    def reachable(self) -> bool:
        """Whether nothing speaks against it: one look that failed may be the fault of one command node."""
        return self._failed < HOPELESS

    def _note(self, seen: Observation) -> None:
        if isinstance(seen, Look):
            self.last, self.problem, self._failed = seen, "", 0
            return
        self._failed += 1
        if seen.reason != self.problem:
            self.problem = seen.reason
            log.warning("could not look", cluster=self._cluster, reason=seen.reason)

    async def look_again(self) -> bool:
        """Wait for a look that begins after this call; whether it was complete."""
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._clock(), waiter))
        self.loop.nudge()
        return await waiter

    def _wake(self, began: float, *, complete: bool) -> None:
        due = [waiter for since, waiter in self._waiting if since <= began]
        self._waiting = [(since, waiter) for since, waiter in self._waiting if since > began]
        for waiter in due:
            if not waiter.done():
                waiter.set_result(complete)
