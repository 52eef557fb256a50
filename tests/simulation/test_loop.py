"""The simulated loop keeps asyncio's promises, and adds deaths and stops."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from tests.simulation.loop import Process, SimLoop, Stuck


def new_loop(seed: int = 0) -> SimLoop:
    return SimLoop(random.Random(seed))  # type: ignore[abstract]  # noqa: S311


async def timeline(say: Callable[[str], None]) -> None:
    """Timers, timeouts, cancellation, events and groups, as production uses them."""
    try:
        async with asyncio.timeout(0.02):
            await asyncio.get_running_loop().create_future()
    except TimeoutError:
        say("timed out")
    event = asyncio.Event()

    async def waiter(name: str, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
            await event.wait()
            say(name)
        except asyncio.CancelledError:
            say(f"{name} cancelled")
            raise

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(waiter(name, delay)) for name, delay in (("b", 0.02), ("a", 0.01), ("c", 9.0))]
        await asyncio.sleep(0.05)
        tasks[2].cancel()
        event.set()
    done, _ = await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0.01, "slept"))])
    say(done.pop().result())


def test_it_does_what_the_ordinary_loop_does() -> None:
    real: list[str] = []
    simulated: list[str] = []
    asyncio.run(timeline(real.append))
    new_loop().run_until_complete(timeline(simulated.append))
    assert simulated == real == ["timed out", "c cancelled", "a", "b", "slept"]


def test_time_passes_only_while_nobody_has_anything_to_do() -> None:
    loop = new_loop()
    loop.run_until_complete(asyncio.sleep(3600.0))
    assert loop.time() == 3600.0


def living(loop: SimLoop, process: Process, seen: list[float]) -> asyncio.Task[None]:
    async def live() -> None:
        try:
            while True:
                await asyncio.sleep(1.0)
                seen.append(loop.time())
        finally:
            seen.append(-1.0)

    return loop.spawn(process, live())


def test_a_killed_process_does_nothing_more_not_even_its_finally() -> None:
    loop, process, seen = new_loop(), Process("p"), list[float]()
    living(loop, process, seen)
    loop.run_until_complete(asyncio.sleep(2.5))
    loop.kill(process)
    loop.run_until_complete(asyncio.sleep(5.0))
    assert seen == [1.0, 2.0]
    loop.end()


def test_a_stopped_process_goes_on_where_it_was() -> None:
    loop, process, seen = new_loop(), Process("p"), list[float]()
    living(loop, process, seen)
    loop.run_until_complete(asyncio.sleep(0.5))
    loop.freeze(process)
    loop.run_until_complete(asyncio.sleep(2.5))
    assert seen == []
    loop.thaw(process)
    loop.run_until_complete(asyncio.sleep(1.2))
    assert seen == [3.0, 4.0]
    loop.end()


@pytest.mark.parametrize("wait", [lambda: asyncio.Event().wait()])
def test_waiting_for_what_never_comes_is_told(wait: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(Stuck):
        new_loop().run_until_complete(wait())


def test_the_order_of_processes_is_drawn_and_that_within_one_is_kept() -> None:
    def order(seed: int) -> list[str]:
        loop, said = new_loop(seed), list[str]()

        async def speak(word: str) -> None:
            said.append(word)

        for name in ("p", "q"):
            process = Process(name)
            for number in range(5):
                loop.spawn(process, speak(f"{name}{number}"))
        loop.run_until_complete(asyncio.sleep(1.0))
        return said

    orders = {tuple(order(seed)) for seed in range(20)}
    assert len(orders) > 10
    assert all([word for word in each if word[0] == "p"] == [f"p{n}" for n in range(5)] for each in orders)
    assert order(3) == order(3)
