"""Loads are whole or nothing, fenced, and read back as they were written."""

import asyncio
import time
from ipaddress import IPv4Network

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyhole.domain import Fence, Sources, sources
from keyhole.gateway import Fenced, Loaded, Refused, Unanswered, load, look, read_load, read_look
from keyhole.nat.model import Backend, Table, Translation, difference
from tests.contract.nat.conftest import FILTERS, WEB, Bench, Either
from tests.contract.nat.world import World

targets = st.builds(
    Translation,
    st.sampled_from(("10.77.0.101", "10.77.0.102")),
    st.integers(1, 65535),
    st.none() | st.just(frozenset([IPv4Network("203.0.113.0/24"), IPv4Network("198.51.100.7/32")])),
    st.just(""),
)
tables = st.dictionaries(st.integers(50000, 60000), targets, max_size=100)
BIG: Table = {50000 + n: Translation("10.77.0.101", 50000 + n) for n in range(10_000)}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=tables, after=tables)
@pytest.mark.parametrize("backend", FILTERS)
def test_what_is_loaded_is_what_is_read_back(world: Either, backend: Backend, before: Table, after: Table) -> None:
    """Synchronous, since hypothesis runs the body many times within one world."""

    async def round_trip() -> None:
        bench = Bench(world, backend)
        for table in (before, after):
            await bench.make(table)
            actual = await bench.actual()
            assert (actual.forwards, actual.intact) == (table, True)

    asyncio.run(round_trip())


async def test_an_older_fence_is_refused_and_changes_nothing(bench: Bench) -> None:
    await bench.make(WEB)
    for older in (Fence(1, 6), Fence(0, 99)):
        guard = bench.guard._replace(fence=older)
        assert read_look(await bench.run(look(guard, bench.frame.name))) == Fenced(Fence(1, 7))
        rules = bench.driver.render_removal(bench.frame, await bench.actual())
        answer = await bench.run(load(guard, bench.driver.backend, rules, []))
        assert read_load(answer) == Fenced(Fence(1, 7))
    assert (await bench.actual()).forwards == WEB


async def test_a_greater_fence_is_kept_by_looking_alone(bench: Bench) -> None:
    await bench.make(WEB)
    newer = bench.guard._replace(fence=Fence(2, 1))
    await bench.run(look(newer, bench.frame.name))
    assert await bench.load("") == Fenced(Fence(2, 1))
    assert bench.world.fence("gw1") == "2 1\n"


@pytest.mark.parametrize("text", ["", "1", "1 ", "a b", "1 -5", "1 7"])
async def test_a_damaged_fence_stops_everything(bench: Bench, text: str) -> None:
    await bench.make({})
    bench.world.write_fence("gw1", text)
    answer = await bench.load("")
    assert isinstance(answer, Unanswered)
    assert "unreadable" in answer.reason


async def test_a_lock_that_is_held_is_waited_for_and_then_given_up(world: Either) -> None:
    bench = Bench(world, "nftables")
    await bench.make({})
    async with world.locked("gw1"):
        assert await bench.load("") == Unanswered("locked")
    assert await bench.load("") == Loaded()


async def test_input_that_was_cut_short_loads_nothing(bench: Bench) -> None:
    await bench.make(WEB)
    more = {**WEB, 50002: Translation("10.77.0.102", 2), 50003: Translation("10.77.0.102", 3)}
    actual = await bench.actual()
    change = difference(actual, more)
    rules = bench.driver.render(bench.frame, more, type(change)(change.add, change.remove, whole=True), actual)
    call = load(bench.guard, bench.driver.backend, rules, [])
    for length in (0, 1, len(call.stdin) // 2, len(call.stdin) - 1):
        answer = await bench.shell.run("gw1", call.script, call.args, call.stdin[:length], 60)
        assert read_load(answer) == Unanswered("truncated")
    assert (await bench.actual()).forwards == WEB


@pytest.mark.parametrize("broken", ["add rule nonsense", "-A NOWHERE -j ACCEPT", "$(reboot)", "END ok"])
async def test_a_broken_line_loads_nothing(bench: Bench, broken: str) -> None:
    await bench.make(WEB)
    actual = await bench.actual()
    change = difference(actual, {})
    rules = bench.driver.render(bench.frame, {}, type(change)(change.add, change.remove, whole=True), actual)
    position = rules.index("*nat\n") + len("*nat\n") if "*nat\n" in rules else 0
    assert isinstance(await bench.load(f"{rules[:position]}{broken}\n{rules[position:]}"), Refused)
    assert await bench.actual() == actual


async def test_a_change_against_an_outdated_picture_is_refused(bench: Bench) -> None:
    await bench.make(WEB)
    outdated = await bench.actual()
    await bench.make({50009: Translation("10.77.0.102", 9)})
    change = difference(outdated, {})
    assert not change.whole
    assert isinstance(await bench.load(bench.driver.render(bench.frame, {}, change, outdated)), Refused)
    assert (await bench.actual()).forwards == {50009: Translation("10.77.0.102", 9)}


@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize("backend", FILTERS)
async def test_ten_thousand_forwards_and_one_more(
    real_world: World, backend: Backend, bound: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """``bound``: each may be entered from two addresses."""
    bench = Bench(real_world, backend)
    big: Table = {port: way._replace(sources=_two(port)) if bound else way for port, way in BIG.items()}
    times: dict[str, float] = {}
    for name, table in {
        "ten": dict(list(big.items())[:10]),
        "ten and one": dict(list(big.items())[:11]),
        "all": big,
        "all and one": {**big, 60000: Translation("10.77.0.102", 1, _two(1) if bound else None)},
    }.items():
        actual = await bench.actual()
        change = difference(actual, table)
        begun = time.perf_counter()
        assert await bench.load(bench.driver.render(bench.frame, table, change, actual)) == Loaded()
        times[name] = 1000 * (time.perf_counter() - begun)
        assert (await bench.actual()).forwards == table
    with capsys.disabled():
        told = ", ".join(f"{name} {spent:.0f} ms" for name, spent in times.items())
        print(f"\n{bench.driver.backend}{' bound' if bound else ''}: {told}")


def _two(number: int) -> Sources:
    return sources([IPv4Network(f"203.0.{number % 256}.{each}/32") for each in (1, 7)], 4)
