"""What goes wrong with a watch of the simulated etcd, each fault by its name."""

import asyncio
from contextlib import aclosing, suppress
from typing import Any

from bwvisu.adapters.etcd import (
    Batch,
    EtcdError,
    EtcdUnavailable,
    Put,
)
from tests.simulation.etcd import KEEPALIVE
from tests.simulation.etcd_stage import Stage, fails, simulated


async def _watching(stage: Stage, fault: str) -> tuple[list[Batch], float, EtcdError | None]:
    """What a watch says of three writes, the first of which meets ``fault``; when it last did; how it ended."""
    heard: list[Batch] = []
    at, end = 0.0, None
    with suppress(TimeoutError):
        async with asyncio.timeout(60), aclosing(stage.store.watch("/", 1)) as batches:
            writing = asyncio.create_task(_write(stage, fault))
            try:
                async for batch in batches:
                    heard.append(batch)
                    at = stage.loop.time()
            except EtcdUnavailable as error:
                end = error
            await writing
    return heard, at, end


async def _write(stage: Stage, fault: str) -> None:
    await asyncio.sleep(1)
    stage.sky.coming = [fault]
    for key in ("/1", "/2", "/3"):
        await stage.put(key)


@simulated
async def test_a_broken_watch_ends_before_the_transaction(stage: Stage) -> None:
    heard, _, end = await _watching(stage, "etcd.watch-broken")
    assert not heard
    assert end is not None


@simulated
async def test_a_stalled_watch_neither_delivers_nor_ends(stage: Stage) -> None:
    assert await _watching(stage, "etcd.watch-stalled") == ([], 0.0, None)
    assert stage.loop.time() >= 60


@simulated
async def test_a_late_watch_delivers_all_of_it_in_order(stage: Stage) -> None:
    heard, at, end = await _watching(stage, "etcd.watch-late")
    assert end is None
    assert at > 1.5
    assert [(event.key, event.revision) for batch in heard for event in batch.events] == [
        ("/1", 2),
        ("/2", 3),
        ("/3", 4),
    ]


@simulated
async def test_a_cut_watch_ends_when_keepalive_notices_and_misses_nothing_if_it_is_mended(stage: Stage) -> None:
    async with aclosing(stage.store.watch("/", 1)) as batches:
        coming = asyncio.ensure_future(anext(batches))
        await stage.until(1)
        stage.sky.open = False
        stage.etcd.commit("two", [], [Put("/a", b"")])
        await stage.until(4)
        assert not coming.done()
        stage.sky.open = True
        assert (await coming).revision == 2
        stage.sky.open = False
        assert await fails(_next(batches), EtcdUnavailable) <= KEEPALIVE


async def _next(batches: Any) -> Any:
    return await anext(batches)
