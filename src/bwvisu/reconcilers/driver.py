"""Over and over: a loop runs its body on a timer *and* when it is nudged, one pass at a time.

A nudge means "look again" and nothing more; the timer runs the same code, so a lost nudge costs time, never truth.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from bwvisu.errors import BwvisuError

log = structlog.get_logger(__name__)

LONGEST_BACKOFF = 30.0
"""Seconds between passes of a loop that keeps failing."""


@dataclass(slots=True)
class LoopHealth:
    """For people and metrics: how a loop has fared."""

    passes: int = 0
    failures: int = 0
    failures_in_a_row: int = 0
    last_seconds: float = 0.0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of a loop, for those who count."""

    loop: str
    """The loop's name."""
    seconds: float
    report: object
    """What its body returned; None where it failed."""
    failure: Exception | None


class Loop:
    """Runs ``body`` every ``interval`` seconds, or sooner when nudged, but never closer than ``gap`` seconds."""

    def __init__(
        self,
        name: str,
        body: Callable[[], Awaitable[object]],
        *,
        interval: float,
        gap: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.on_pass: Callable[[Pass], None] = lambda _: None
        """Told of every pass; must be quick and must not raise."""
        self.health = LoopHealth()
        self.interval = interval
        self._body = body
        self.gap = gap
        self._clock = clock
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """Ask for a pass soon; any number of nudges before it are one."""
        self._nudged.set()

    def pace(self, *, interval: float, gap: float) -> None:
        """Change the pace from the present pass on; seconds."""
        self.interval, self.gap = interval, gap

    async def run(self) -> None:
        """Run passes until cancelled.  A pass that fails is told and tried again, with growing pauses."""
        while True:
            self._nudged.clear()
            await self._one_pass()
            if self.health.failures_in_a_row:
                await asyncio.sleep(min(LONGEST_BACKOFF, 0.5 * 2 ** min(self.health.failures_in_a_row, 10)))
                continue
            await asyncio.sleep(max(0.0, self.gap - self.health.last_seconds))
            await self._rest(max(0.0, self.interval - max(self.gap, self.health.last_seconds)))

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._nudged.wait()
        except TimeoutError:
            return

    async def _one_pass(self) -> None:
        began, report, failure = self._clock(), None, None
        self.health.passes += 1
        try:
            report = await self._body()
        except BwvisuError as error:
            failure = self._failed(error)
            log.warning("pass failed", loop=self.name, error=self.health.last_error)
        except Exception as error:
            failure = self._failed(error)
            log.exception("pass failed by a defect", loop=self.name)
        else:
            self.health.failures_in_a_row = 0
        self.health.last_seconds = self._clock() - began
        self.on_pass(Pass(self.name, self.health.last_seconds, report, failure))

    def _failed(self, error: Exception) -> Exception:
        self.health.failures += 1
        self.health.failures_in_a_row += 1
        self.health.last_error = f"{type(error).__name__}: {error}"
        return error
