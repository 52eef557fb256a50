"""Each fault of the simulated etcd does what its name says, and one seed means one course of events."""

import asyncio
from contextlib import aclosing, suppress

import pytest

from bwvisu.adapters.etcd import (
    Absent,
    Committed,
    Compacted,
    Condition,
    Conflict,
    Delete,
    EtcdError,
    EtcdUnavailable,
    LeaseLost,
    Operation,
    OutcomeUnknown,
    Put,
)
from tests.simulation.etcd import FAULTS, KEEPALIVE, SimEtcd, SimStore
from tests.simulation.etcd_stage import TIMEOUT, Stage, chance, fails, make_loop, simulated
from tests.simulation.loop import Process
from tests.simulation.weather import Storm


@simulated
async def test_refused_fails_at_once(stage: Stage) -> None:
    for call in (stage.store.get("/a"), stage.put()):
        stage.sky.coming = ["etcd.refused"]
        assert await fails(call, EtcdUnavailable) == 0
    assert not stage.etcd.entries


@simulated
async def test_a_lost_request_is_awaited_and_never_applied(stage: Stage) -> None:
    await stage.put("/before")
    stage.sky.coming = ["etcd.request-lost"]
    assert await fails(stage.store.get("/a"), EtcdUnavailable) == pytest.approx(TIMEOUT)
    await stage.put("/between")
    stage.sky.coming = ["etcd.request-lost"]
    assert await fails(stage.put(), OutcomeUnknown) == pytest.approx(TIMEOUT)
    await stage.until(60)
    assert "/a" not in stage.etcd.entries


@simulated
async def test_a_lost_answer_leaves_what_was_done(stage: Stage) -> None:
    await stage.put("/before")
    stage.sky.coming = ["etcd.answer-lost"]
    assert await fails(stage.put(), OutcomeUnknown) == pytest.approx(TIMEOUT)
    assert "/a" in stage.etcd.entries


@simulated
async def test_a_late_write_is_applied_when_nobody_expects_it(stage: Stage) -> None:
    await stage.put("/before")
    stage.sky.coming = ["etcd.late"]
    await fails(stage.put(), OutcomeUnknown)
    assert await stage.store.get("/a") is None
    await stage.until(3 * TIMEOUT)
    assert await stage.store.get("/a") is not None


@simulated
async def test_a_late_write_may_find_its_conditions_broken(stage: Stage) -> None:
    await stage.put("/before")
    stage.sky.coming = ["etcd.late"]
    await fails(stage.store.commit([Absent("/a")], [Put("/a", b"late")]), OutcomeUnknown)
    await stage.put(value=b"in time")
    await stage.until(3 * TIMEOUT)
    assert stage.etcd.entries["/a"].value == b"in time"


@simulated
async def test_slow_is_within_the_deadline(stage: Stage) -> None:
    stage.sky.coming = ["etcd.slow"]
    began = stage.loop.time()
    await stage.store.get("/a")
    assert TIMEOUT / 20 < stage.loop.time() - began < TIMEOUT


@simulated
async def test_a_cut_network_swallows_requests_until_keepalive_notices(stage: Stage) -> None:
    await stage.put("/before")
    stage.sky.open = False
    assert await fails(stage.put(), OutcomeUnknown) == pytest.approx(TIMEOUT)
    await stage.until(KEEPALIVE + 1)
    assert await fails(stage.put(), EtcdUnavailable) == pytest.approx(TIMEOUT)
    stage.sky.open = True
    assert await stage.put() == 3


@simulated
async def test_without_a_majority_nothing_is_answered_and_no_lease_ends(stage: Stage) -> None:
    lease = await stage.store.lease(10)
    await stage.put(lease=lease.id)
    stage.etcd.available = False
    assert await fails(stage.store.get("/a"), EtcdUnavailable) == pytest.approx(TIMEOUT)
    stage.sky.coming = ["etcd.late"]
    await fails(stage.put("/lost"), OutcomeUnknown)
    await stage.until(300)
    assert "/a" in stage.etcd.entries
    stage.etcd.available = True
    await stage.until(309)
    assert "/a" in stage.etcd.entries
    await stage.until(311)
    assert "/a" not in stage.etcd.entries


@simulated
async def test_what_froze_with_etcd_may_be_done_when_it_wakes(stage: Stage) -> None:
    await stage.put("/before")
    stage.etcd.pause()
    await fails(stage.put("/dropped"), OutcomeUnknown)
    stage.etcd.resume()
    stage.etcd.pause()
    await fails(stage.put("/done"), OutcomeUnknown)
    stage.sky.coming = ["etcd.late"]
    stage.etcd.resume()
    assert stage.etcd.entries.keys() == {"/before", "/done"}


@simulated
async def test_a_write_under_way_at_a_restart_is_unknown_at_once(stage: Stage) -> None:
    await stage.put("/before")
    writing = asyncio.create_task(stage.put())
    await asyncio.sleep(0)
    stage.etcd.restart()
    assert await fails(_join(writing), OutcomeUnknown) < 0.1
    assert await stage.put() == 3


async def _join(task: asyncio.Task[int]) -> int:
    return await task


@simulated
async def test_a_lease_ends_by_itself_at_the_tick_after_its_time(stage: Stage) -> None:
    await stage.until(0.1)
    lease = await stage.store.lease(10)
    revision = await stage.put(lease=lease.id)
    async with aclosing(stage.store.watch("/", revision + 1)) as batches:
        await stage.until(9)
        await lease.keep_alive()
        (event,) = (await anext(batches)).events
    assert (event.key, event.entry) == ("/a", None)
    assert stage.loop.time() == pytest.approx(19.5, abs=0.01)
    assert lease.remaining() <= -0.4
    await fails(lease.keep_alive(), LeaseLost)


@simulated
async def test_an_answer_to_a_dead_client_disturbs_nobody(stage: Stage) -> None:
    """Neither its write, which is applied, nor its watch, nor an error on its way to it."""
    process, sent = Process("api"), asyncio.Event()
    await stage.put("/before")

    async def work() -> None:
        async with asyncio.TaskGroup() as group, aclosing(stage.store.watch("/", 1)) as batches:
            await anext(batches)
            group.create_task(stage.put())
            group.create_task(stage.store.commit([], [Put("/b", b"", 77)]))
            await asyncio.sleep(0)
            sent.set()
            await anext(batches)

    stage.loop.spawn(process, work())
    await sent.wait()
    stage.loop.kill(process)
    await stage.until(1)
    assert stage.etcd.entries.keys() == {"/before", "/a"}
    assert len(stage.etcd.followers) == 1
    stage.store.hang_up()
    assert not stage.etcd.followers
    assert await SimStore(stage.etcd, "two", stage.sky).get("/a") is not None


@simulated
async def test_a_restored_etcd_runs_backwards_and_its_leases_run_out(stage: Stage) -> None:
    lease = await stage.store.lease(10)
    await stage.put("/leader", lease=lease.id)
    backup = stage.etcd.backup()
    await stage.put("/later")
    await lease.revoke()
    stage.etcd.restore(backup)
    listing = await stage.store.list("/")
    assert (list(listing.entries), listing.revision) == (["/leader"], 2)
    await fails(stage.store.list("/", revision=1), Compacted)
    await stage.until(stage.loop.time() + 11)
    assert not stage.etcd.entries


@simulated
async def test_invariants_hear_who_did_what(stage: Stage) -> None:
    told: list[tuple[str, tuple[Condition, ...], tuple[Operation, ...], Committed | Conflict]] = []
    stage.etcd.on_commit = lambda who, conditions, operations, result: told.append(
        (who, tuple(conditions), tuple(operations), result)
    )
    lease = await stage.store.lease(2)
    await stage.put(lease=lease.id)
    await stage.store.commit([Absent("/a")], [])
    await stage.until(5)
    written, (_, asked, _, refused), ended = told
    assert written == ("one", (), (Put("/a", b"", lease.id),), Committed(2))
    assert asked == (Absent("/a"),)
    assert isinstance(refused, Conflict)
    assert ended == ("etcd", (), (Delete("/a"),), Committed(3))


def _course(seed: int) -> list[object]:
    """What happens in a storm."""
    loop = make_loop(seed)
    weather = Storm(chance(seed), dict.fromkeys(FAULTS, 0.05))
    etcd = SimEtcd(loop.time)
    course: list[object] = []
    etcd.on_commit = lambda who, _conditions, _operations, result: course.append((loop.time(), who, result))

    async def write(name: str) -> None:
        store = SimStore(etcd, name, weather)
        for number in range(20):
            try:
                await store.commit([], [Put(f"/{name}/{number % 3}", b"")])
            except EtcdError as error:
                course.append((loop.time(), name, type(error)))

    async def follow() -> None:
        store, seen = SimStore(etcd, "three", weather), 0
        while True:
            with suppress(EtcdUnavailable):
                async with aclosing(store.watch("/", seen + 1)) as batches:
                    async for batch in batches:
                        assert seen < batch.events[0].revision
                        seen = batch.revision
                        course.append((loop.time(), batch))

    async def scenario() -> None:
        following = loop.spawn(Process("three"), follow())
        await asyncio.gather(*(loop.spawn(Process(name), write(name)) for name in ("one", "two")))
        following.cancel()

    loop.run_until_complete(scenario())
    loop.end()
    assert not loop.crashes
    return course


def test_a_seed_decides_everything() -> None:
    courses = [_course(seed) for seed in range(10)]
    assert courses == [_course(seed) for seed in range(10)]
    assert len({repr(course) for course in courses}) == 10
