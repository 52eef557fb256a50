"""For the tests of the simulated etcd: one client, under a sky that the test sets, in simulated time."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bwvisu.adapters.etcd import (
    Committed,
    EtcdError,
    Put,
)
from tests.simulation.etcd import FAULTS, SimEtcd, SimStore
from tests.simulation.loop import SimLoop
from tests.simulation.weather import Calm

TIMEOUT = 5.0


class Sky(Calm):
    """What comes is set by the test."""

    def __init__(self) -> None:
        self.coming: list[str] = []
        """Faults; each strikes once, at the first occasion."""
        self.open = True
        """Whether there is a network."""

    def strikes(self, fault: str) -> bool:
        assert fault in FAULTS
        if fault in self.coming:
            self.coming.remove(fault)
            return True
        return False

    def reachable(self, one: str, other: str) -> bool:
        del one, other
        return self.open


class Stage:
    """An etcd with one client under a sky."""

    def __init__(self, loop: SimLoop) -> None:
        self.loop = loop
        self.sky = Sky()
        self.etcd = SimEtcd(loop.time)
        self.store = SimStore(self.etcd, "one", self.sky, TIMEOUT)

    async def put(self, key: str = "/a", value: bytes = b"", lease: int = 0) -> int:
        result = await self.store.commit([], [Put(key, value, lease)])
        assert isinstance(result, Committed)
        return result.revision

    async def until(self, at: float) -> None:
        """Let the world go on until then."""
        await asyncio.sleep(at - self.loop.time())


def chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - nothing here is secret


def make_loop(seed: int) -> SimLoop:
    return SimLoop(chance(seed))  # type: ignore[abstract]  # sockets and signals have no place in it


def simulated(scenario: Callable[[Stage], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test that plays in simulated time."""

    def test() -> None:
        loop = make_loop(1)
        loop.run_until_complete(scenario(Stage(loop)))
        loop.end()
        assert not loop.crashes

    return test


async def fails(call: Coroutine[Any, Any, object], error: type[EtcdError]) -> float:
    """Seconds until it fails so."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(error) as caught:
        await call
    assert caught.type is error
    return loop.time() - began
