"""How long calls take, so many at a time; and what many durations come to."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence

Call = Callable[[int], Awaitable[object]]
"""Does the thing once; it is given the number of its lane, from 0."""


async def durations(call: Call, count: int, lanes: int = 1) -> list[float]:
    """Call ``count`` times in all, by ``lanes`` that each wait for their own answer; seconds of each call."""
    took: list[float] = []
    left = count

    async def lane(number: int) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            began = time.perf_counter()
            await call(number)
            took.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        for number in range(lanes):
            group.create_task(lane(number))
    return took


async def rate(call: Call, count: int, lanes: int) -> float:
    """Calls per second."""
    began = time.perf_counter()
    await durations(call, count, lanes)
    return count / (time.perf_counter() - began)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many percent are not above; IndexError where there is none."""
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]
