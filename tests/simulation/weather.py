"""What goes wrong, and how long things take: every draw of a simulation, in one place.

Doubles ask ``weather.strikes("fault")`` wherever reality may fail, and ``await weather.travel(...)`` wherever it takes
time.  Contract tests run in `CALM`, where nothing fails and everything is quick.
"""

import asyncio
import random
from collections.abc import Mapping
from typing import Protocol


class Weather(Protocol):
    """The draws that doubles may ask for."""

    def strikes(self, fault: str) -> bool:
        """Whether this fault happens here and now, e.g. ``etcd.answer-lost``."""
        ...

    def between(self, low: float, high: float) -> float:
        """A number, for delays and amounts."""
        ...

    def reachable(self, one: str, other: str) -> bool:
        """Whether the network between two hosts is there."""
        ...


class Calm:
    """Nothing goes wrong."""

    def strikes(self, fault: str) -> bool:
        """Never."""
        del fault
        return False

    def between(self, low: float, high: float) -> float:
        """Always the least."""
        del high
        return low

    def reachable(self, one: str, other: str) -> bool:
        """Always."""
        del one, other
        return True


class Storm:
    """Faults with the given probabilities while it lasts; networks that are cut by name."""

    def __init__(self, chance: random.Random, odds: Mapping[str, float]) -> None:
        self.raging = True
        self.cut: set[frozenset[str]] = set()
        self.struck: dict[str, int] = {}
        """How often each fault has happened."""
        self._chance = chance
        self._odds = odds

    def strikes(self, fault: str) -> bool:
        """By the fault's own probability; never once the storm is over."""
        if not self.raging or self._chance.random() >= self._odds.get(fault, 0.0):
            return False
        self.struck[fault] = self.struck.get(fault, 0) + 1
        return True

    def between(self, low: float, high: float) -> float:
        """Mostly near the least."""
        return low + (high - low) * self._chance.random() ** 3

    def reachable(self, one: str, other: str) -> bool:
        """Unless this pair, or one of the two altogether, is cut off."""
        return not self.cut & {frozenset((one, other)), frozenset((one,)), frozenset((other,))}


CALM = Calm()


async def for_ever() -> None:
    """Wait for what never comes: a lost packet, a host that is gone.  The caller has a deadline."""
    await asyncio.get_running_loop().create_future()
