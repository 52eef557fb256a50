"""Many waits at once, but not too many, and none that outlives the one who waits for them."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

T = TypeVar("T")

_AT_ONCE = 16


async def in_parallel(waits: Iterable[Awaitable[T]], at_once: int = _AT_ONCE) -> list[T]:
    """All results in order, with a bounded number of waits at any time.

    Where one fails, the others are waited for and then its error is raised: a pass that has failed must not go on
    acting, on what it saw, beside the pass that comes after it.
    """
    places = asyncio.Semaphore(at_once)

    async def one(wait: Awaitable[T]) -> T:
        async with places:
            return await wait

    results = await asyncio.gather(*map(one, waits), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
