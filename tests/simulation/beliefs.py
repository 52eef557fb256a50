"""I7: what the service may believe, by what the cluster has really shown.

A look counts only when it was printed to its end and reached whoever asked: what the leader publishes as its last look
must be one of those.  A job is given up (tried again, or called lost) only when a complete look began after every
sbatch that could have made it was over.  What slurmctld itself does late, with a request that outlived its sbatch,
nobody can know (fault 3).
"""

import math
from collections import deque
from collections.abc import Callable, Iterable

from bwvisu.domain.naming import SlurmJobName

Attempt = tuple[str, int]
REMEMBERED = 1000
"""Whole looks: more than are taken until one of them is published."""
CLOSE = 0.01
"""Seconds by which the record of a look may differ from when it came: what is lost in writing it down."""


class Beliefs:
    """``now``: seconds since the world began."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._running: dict[Attempt, int] = {}
        self._over: dict[Attempt, float] = {}
        """When the last sbatch ended that may have made a job."""
        self._looked = -math.inf
        """When the latest complete look began."""
        self._whole: deque[bytes] = deque(maxlen=REMEMBERED)
        """The marks of looks that were printed to their end."""
        self._came: deque[float] = deque(maxlen=REMEMBERED)
        """When such a look reached whoever had asked."""

    def asked(self, name: str) -> None:
        """An sbatch for a job of this name begins."""
        if attempt := _attempt(name):
            self._running[attempt] = self._running.get(attempt, 0) + 1

    def told(self, name: str, status: int | None) -> None:
        """It is over, with this exit status, or was killed: None."""
        if attempt := _attempt(name):
            self._running[attempt] -= 1
            if status in {0, None}:
                self._over[attempt] = self._now()

    def looked(self, mark: str, began: float) -> None:
        """A look that shows everything was printed to its end."""
        self._looked = max(self._looked, began)
        self._whole.append(mark.encode())

    def answered(self, output: bytes) -> None:
        """A program's whole output reached whoever had asked."""
        if any(mark in output for mark in self._whole):
            self._came.append(self._now())

    def imagined(self, looked_at: Iterable[float]) -> bool:
        """Whether no complete look came at any of these moments."""
        return not any(abs(each - came) < CLOSE for each in looked_at for came in self._came)

    def unfounded(self, job_id: str, attempt: int) -> str:
        """Why nobody can know yet that this attempt's job is not there; empty: it can be known."""
        if self._running.get((job_id, attempt)):
            return "its sbatch still runs"
        over = self._over.get((job_id, attempt))
        if over is not None and self._looked <= over:
            return f"its sbatch ended at {over:.3f}, and the latest complete look began at {self._looked:.3f}"
        return ""


def _attempt(name: str) -> Attempt | None:
    parsed = SlurmJobName.parse(name)
    return (parsed.job_id, parsed.attempt) if parsed is not None else None
