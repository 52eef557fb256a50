"""I7: what the service may believe, by what the cluster has really shown.

A job is given up (tried again, or called lost) only when a complete look began after every sbatch that could have made
it was over.  What slurmctld itself does late, with a request that outlived its sbatch, nobody can know (fault 3).
"""

import math
from collections.abc import Callable

from bwvisu.domain.naming import SlurmJobName

Attempt = tuple[str, int]


class Beliefs:
    """``now``: seconds since the world began."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._running: dict[Attempt, int] = {}
        self._over: dict[Attempt, float] = {}
        """When the last sbatch ended that may have made a job."""
        self._looked = -math.inf
        """When the latest complete look began."""

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

    def looked(self, began: float) -> None:
        """A look that shows everything was printed to its end."""
        self._looked = max(self._looked, began)

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
