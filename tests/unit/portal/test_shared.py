"""One answer for all who ask at about the same time."""

import asyncio

import pytest

from bwvisu.errors import TryAgain
from bwvisu.portal.shared import Shared


class Service:
    """Counts how often it is asked; answers when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.now = 0.0
        self.fails = False
        self.may_answer = asyncio.Event()
        self.shared = Shared(self._answer, 3.0, lambda: self.now)

    async def _answer(self) -> int:
        self.asked += 1
        await self.may_answer.wait()
        if self.fails:
            raise TryAgain("not now")
        return self.asked


async def test_who_asks_together_is_answered_together() -> None:
    service = Service()
    waiting = [asyncio.create_task(service.shared.get()) for _ in range(300)]
    await asyncio.wait(waiting, timeout=0)
    waiting[0].cancel()  # the first one's page was closed
    service.may_answer.set()
    assert await asyncio.gather(*waiting[1:]) == [1] * 299
    service.now = 2.9
    assert await service.shared.get() == 1
    service.now = 3.0
    assert await service.shared.get() == 2


async def test_a_failure_is_not_kept() -> None:
    service = Service()
    service.may_answer.set()
    service.fails = True
    with pytest.raises(TryAgain):
        await service.shared.get()
    service.fails = False
    assert await service.shared.get() == 2
