"""The simulated gateway under chaos, and with guards taken out of its texts."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from ipaddress import IPv4Network
from typing import Any, TypeVar

import pytest

from keyhole.domain import Fence, Gateway
from keyhole.gateway import (
    Fenced,
    Guard,
    Loaded,
    Remote,
    Unanswered,
    Uncut,
    cuts_of,
    load,
    look,
    probe,
    read_load,
    read_look,
    read_probe,
    read_resolve,
    resolve,
)
from keyhole.interfaces import Answer
from keyhole.nat.choice import DRIVERS, choose
from keyhole.nat.model import Actual, Backend, Frame, Listing, Table, Target, Translation, difference
from keyhole.scripts import LOAD
from tests.simulation.gateway import FAULTS, GUARDS, KILLED, SimGateway
from tests.simulation.host import Stdin, Streams
from tests.simulation.loop import SimLoop
from tests.simulation.weather import Calm

T = TypeVar("T")
FRAME = Frame("abc123", 50000, 60000, (IPv4Network("10.1.0.0/24"),))
SETTINGS = Gateway("gw1", internal_ip="10.1.0.21", external_ip="198.51.100.21")
OLD: Table = {50001: Translation("10.1.0.1", 20001)}
NEW: Table = {50002: Translation("10.1.0.2", 20002), 50003: Translation("10.1.0.2", 20003)}
FOREIGN = "-A PREROUTING -p tcp -m tcp --dport 50009 -j DNAT --to-destination 10.1.0.9:22"


class Weather(Calm):
    """Chosen faults happen whenever they may, and everything takes its longest time."""

    def __init__(self) -> None:
        self.faults: set[str] = set()

    def strikes(self, fault: str) -> bool:
        assert fault in FAULTS
        return fault in self.faults

    def between(self, low: float, high: float) -> float:
        del low
        return high


class Bench:
    """A gateway on its own loop."""

    def __init__(self, backend: Backend) -> None:
        self.weather = Weather()
        self.loop = SimLoop(random.Random(1))  # type: ignore[abstract]  # noqa: S311  sockets have no place in it
        self.driver = DRIVERS[backend]
        self.gateway = self._gateway(backend)
        self.load = LOAD
        self.guard = Guard(SETTINGS, "abc123", Fence(1, 7))

    def _gateway(self, backend: Backend) -> SimGateway:
        return SimGateway("gw1", self.weather, backend=backend, names={"node1": ("10.1.0.1",)})

    def weaken(self, guard: str, patch: pytest.MonkeyPatch) -> None:
        """Take a guard out of `LOAD`, as `make mutants` does, and begin with another gateway."""
        self.load = LOAD.replace(GUARDS[guard], "")
        patch.setattr("tests.simulation.gateway.LOAD", self.load)
        self.gateway = self._gateway(self.driver.backend)

    def play(self, story: Coroutine[Any, Any, T]) -> T:
        result: T = self.loop.run_until_complete(story)
        return result

    def start(self, call: Remote, *, sent: int | None = None) -> asyncio.Task[Answer]:
        """Run a text on an input of which only ``sent`` bytes came."""
        text = self.load if call.script == LOAD else call.script
        return self.loop.spawn(self.gateway.process, self._execute([text, "sh", *call.args], call.stdin[:sent]))

    async def _execute(self, args: list[str], stdin: bytes) -> Answer:
        out, source = bytearray(), Stdin()
        source.feed(stdin)
        source.close()
        streams = Streams(source, out.extend, out.extend)
        status = await self.gateway.execute(["timeout", "-k", "5", "60", "/bin/sh", "-c", *args], streams)
        return Answer(status, bytes(out), b"")

    async def actual(self) -> Actual:
        listing = read_look(await self.start(look(self.guard, FRAME.name)))
        assert isinstance(listing, Listing)
        return self.driver.parse(listing, FRAME)

    async def change(self, table: Table, *, whole: bool = False) -> Remote:
        """What loads ``table`` and cuts the rest."""
        actual = await self.actual()
        change = difference(actual, table)
        change = type(change)(change.add, change.remove, whole=whole or change.whole)
        rules = self.driver.render(FRAME, table, change, actual)
        return load(self.guard, self.driver.backend, rules, cuts_of(change.remove))

    async def make(self, table: Table) -> object:
        return read_load(await self.start(await self.change(table)))


@pytest.fixture(params=["nftables", "iptables"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(request.param)
    yield made
    made.loop.end()


@pytest.mark.parametrize("whole", [False, True])
def test_a_load_that_is_killed_at_any_moment_leaves_old_or_new_rules(bench: Bench, whole: bool) -> None:
    async def story(steps: int) -> bool:
        assert await bench.make(OLD) == Loaded()
        work = bench.start(await bench.change(NEW, whole=whole))
        await _steps(bench.loop, steps)
        bench.gateway.kill()
        seen.append(bench.gateway.ways())
        assert bench.gateway.ways() in (OLD, NEW)
        assert await bench.make(OLD) == Loaded(), "the lock went with its holder"
        return work.done()

    seen: list[Table] = []
    steps = 0
    while not bench.play(story(steps)):
        steps += 1
    assert OLD in seen
    assert NEW in seen


async def _steps(loop: SimLoop, number: int) -> None:
    goal = loop.steps + number
    while loop.steps < goal:  # noqa: ASYNC110 - it is these steps that are counted
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("whole", [False, True])
def test_input_that_was_cut_short_is_caught_by_its_length_alone(
    bench: Bench, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> set[object]:
        await bench.make(OLD)
        call = await bench.change(NEW, whole=whole)
        return {read_load(await bench.start(call, sent=sent)) for sent in range(len(call.stdin))}

    assert bench.play(story()) == {Unanswered("truncated")}
    assert (bench.gateway.ways(), len(bench.gateway.loads)) == (OLD, 1)
    bench.weaken("length", monkeypatch)
    assert Loaded() in bench.play(story())


def test_an_old_leader_is_obeyed_only_where_the_fence_is_missing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> object:
        await bench.make(OLD)
        call = await bench.change({})
        stale = Remote(call.script, (*call.args[:3], "6", *call.args[4:]), call.stdin)
        return read_load(await bench.start(stale))

    assert bench.play(story()) == Fenced(Fence(1, 7))
    assert (bench.gateway.ways(), bench.gateway.loads[-1].accepted) == (OLD, False)
    bench.weaken("fence", monkeypatch)
    assert bench.play(story()) == Loaded()
    assert (bench.gateway.ways(), bench.gateway.loads[-1][1:]) == ({}, (Fence(1, 6), True, Fence(1, 7)))


@pytest.mark.parametrize(("held", "outcome"), [(3.0, Loaded()), (9.0, Unanswered("locked"))])
def test_a_second_holder_waits_for_the_lock_but_not_for_long(bench: Bench, held: float, outcome: object) -> None:
    async def story() -> None:
        call = await bench.change(OLD)
        async with bench.gateway.fences.locked():
            work = bench.start(call)
            await asyncio.sleep(held)
        assert read_load(await work) == outcome

    bench.play(story())


def test_a_connection_outlives_its_rule_until_it_is_cut(bench: Bench) -> None:
    async def story() -> None:
        await bench.make(OLD)
        assert bench.gateway.connect("alice", 50001) == OLD[50001].target
        bench.gateway.flush()
        assert (bench.gateway.connect("bob", 50001), len(bench.gateway.flows)) == (None, 1)
        call = load(bench.guard, bench.driver.backend, "", cuts_of({50001: Translation("10.1.0.1", 1)}))
        assert read_load(await bench.start(call)) == Loaded()
        assert len(bench.gateway.flows) == 1
        await bench.start(load(bench.guard, bench.driver.backend, "", cuts_of(OLD)))
        assert bench.gateway.flows == []

    bench.play(story())


def test_nobody_connects_where_nobody_listens(bench: Bench) -> None:
    async def story() -> None:
        await bench.make(OLD)
        bench.gateway.listening = lambda _address, _port: False
        assert bench.gateway.translates(50001) == OLD[50001].target
        assert (bench.gateway.connect("alice", 50001), bench.gateway.flows) == (None, [])

    bench.play(story())


@pytest.mark.parametrize("chaos", [SimGateway.flush, SimGateway.reboot])
def test_what_is_left_after_a_flush_and_a_reboot(bench: Bench, chaos: Callable[[SimGateway], None]) -> None:
    async def story() -> None:
        changes: list[int] = []
        await bench.make(OLD)
        bench.gateway.connect("alice", 50001)
        bench.gateway.foreign(FOREIGN)
        bench.gateway.on_change = lambda: changes.append(1)
        chaos(bench.gateway)
        assert (bench.gateway.ways(), bench.gateway.foreign_intact(), bool(changes)) == ({}, True, True)
        assert len(bench.gateway.flows) == (1 if chaos is SimGateway.flush else 0)
        assert bench.gateway.translates(50009) == Target("10.1.0.9", 22)
        assert bench.gateway.fences.files == {"abc123.gw1": "1 7\n"}
        assert await bench.make(NEW) == Loaded()
        assert (bench.gateway.ways(), bench.gateway.foreign_intact()) == (NEW, True)

    bench.play(story())


def test_without_power_it_is_out_of_reach_and_goes_on_translating(bench: Bench) -> None:
    async def story() -> None:
        await bench.make(OLD)
        bench.gateway.power(False)
        assert (bench.gateway.up, bench.gateway.connect("alice", 50001)) == (False, OLD[50001].target)
        bench.gateway.power(True)
        assert bench.gateway.up

    bench.play(story())


@pytest.mark.parametrize(
    ("fault", "status", "rules", "flows"),
    [("gateway.dies-before-load", KILLED, OLD, 1), ("gateway.dies-after-load", KILLED, NEW, 1)],
)
def test_a_shell_that_dies_says_nothing(bench: Bench, fault: str, status: int, rules: Table, flows: int) -> None:
    async def story() -> None:
        await bench.make(OLD)
        bench.gateway.connect("alice", 50001)
        call = await bench.change(NEW)
        bench.weather.faults = {fault}
        answer = await bench.start(call)
        assert (answer.exit_status, answer.stdout) == (status, b"")
        assert (bench.gateway.ways(), len(bench.gateway.flows)) == (rules, flows)
        bench.weather.faults = set()
        assert await bench.make(OLD) == Loaded()

    bench.play(story())


def test_iptables_may_die_between_its_tables() -> None:
    bench = Bench("iptables")

    async def story() -> None:
        call = await bench.change(OLD)
        bench.weather.faults = {"gateway.dies-between-tables"}
        assert (await bench.start(call)).exit_status == KILLED
        assert (bench.gateway.ways(), bench.gateway.ruleset.objects) == ({}, ["bwv-abc123-fwd", "bwv-abc123-in"])
        bench.weather.faults = set()
        assert await bench.make(OLD) == Loaded()
        assert (await bench.actual()).intact

    bench.play(story())
    bench.loop.end()


def test_a_foreign_rule_that_comes_between_two_tables_stays() -> None:
    """As in a kernel, where each table's COMMIT acts on what is there by then (seed 11528 of the simulation)."""
    bench = Bench("iptables")

    async def story() -> None:
        loading = bench.start(await bench.change(OLD))
        await until(lambda: bench.gateway.ruleset.objects)
        bench.gateway.foreign(FOREIGN)
        assert read_load(await loading) == Loaded()
        assert bench.gateway.foreign_intact()
        assert (bench.gateway.ways(), (await bench.actual()).intact) == (OLD, True)

    async def until(condition: Callable[[], object]) -> None:
        while not condition():  # noqa: ASYNC110  simulated time
            await asyncio.sleep(0.01)

    bench.play(story())
    bench.loop.end()


def test_what_cannot_be_done_is_said(bench: Bench) -> None:
    async def story() -> None:
        await bench.make(OLD)
        for fault, outcome in (("locked", Unanswered("locked")), ("conntrack-fails", Uncut)):
            bench.weather.faults = {f"gateway.{fault}"}
            result = read_load(await bench.start(load(bench.guard, bench.driver.backend, "", cuts_of(OLD))))
            assert outcome in {result, type(result)}
        bench.weather.faults = {"gateway.probe-fails", "gateway.resolve-fails"}
        assert read_probe(await bench.start(probe(SETTINGS, [OLD[50001].target]))) == {}
        assert read_resolve(await bench.start(resolve(SETTINGS, ["node1"]))) == {}
        bench.weather.faults = set()
        assert read_probe(await bench.start(probe(SETTINGS, [OLD[50001].target]))) == {OLD[50001].target: True}
        assert read_resolve(await bench.start(resolve(SETTINGS, ["node1", "node9"]))) == {"node1": ["10.1.0.1"]}

    bench.play(story())


def test_a_slow_gateway_takes_its_time(bench: Bench) -> None:
    async def story() -> None:
        begun = bench.loop.time()
        bench.weather.faults = {"gateway.slow"}
        await bench.actual()
        assert bench.loop.time() - begun > 30

    bench.play(story())


def test_the_best_filter_is_found_out_by_looking(bench: Bench) -> None:
    async def story() -> None:
        listing = read_look(await bench.start(look(bench.guard, FRAME.name)))
        assert isinstance(listing, Listing)
        assert choose("auto", listing) is bench.driver

    bench.play(story())
