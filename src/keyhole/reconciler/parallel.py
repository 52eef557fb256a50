"""Many waits at once, but not too many."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

T = TypeVar("T")

_AT_ONCE = 16


async def in_parallel(waits: Iterable[Awaitable[T]]) -> list[T]:
    """All results in order, with a bounded number of waits at any time."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(wait: Awaitable[T]) -> T:
        async with places:
            return await wait

    return await asyncio.gather(*map(one, waits))
