"""Waiting for a condition that others make true."""

import asyncio
from functools import partial

from bwvisu.services.pulse import Pulse
from tests.support.waiting import eventually


async def test_a_beat_makes_every_waiter_look_again() -> None:
    pulse, seen, looks = Pulse(), list[int](), list[int]()

    def at_least(number: int) -> bool:
        looks.append(number)
        return len(seen) >= number

    waiters = [asyncio.create_task(pulse.until(partial(at_least, number), 10)) for number in (1, 1, 2)]
    await eventually(lambda: len(looks) == 3)
    seen.append(1)
    pulse.beat()
    assert await asyncio.gather(*waiters[:2]) == [True, True]
    assert not waiters[2].done()
    seen.append(2)
    pulse.beat()
    assert await waiters[2]


async def test_a_condition_that_holds_needs_no_beat_and_one_that_never_does_ends_the_wait() -> None:
    assert await Pulse().until(lambda: True, 10)
    assert not await Pulse().until(lambda: False, 0.01)
