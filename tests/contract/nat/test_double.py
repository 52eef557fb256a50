"""The simulated gateway prints what the real one prints, word by word."""

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from itertools import product
from pathlib import Path

import pytest

from keyhole.gateway import Remote, load, look, probe, resolve
from keyhole.interfaces import Answer
from keyhole.nat.choice import DRIVERS
from keyhole.nat.model import Backend, Frame, Table, Target, Translation
from tests.contract.nat.conftest import FILTERS, WEB, Bench, Either, a_world_of

NETWORKS = tuple(map(IPv4Network, ("10.77.0.0/24", "10.79.0.0/16", "10.80.0.9/32")))
MORE: Table = {
    50003: Translation("10.77.0.101", 9),
    50001: Translation("10.77.0.102", 8),
    50002: Translation("10.77.0.102", 7),
}
HEAD = "*nat\n-A bwv-abc123-pre"
INPUTS: Mapping[Backend, Sequence[str]] = {
    "nftables": (
        "",
        "#cut 50001 10.77.0.101 50001",
        "delete element ip bwv-abc123 forwards { 5 }",
        "add element ip bwv-abc123 forwards { 50001 : 10.77.0.101 . 8 }",
        "add element ip bwv-abc123 forwards { 50001 : 10.77.0.101 . 50001 }",
        "delete element ip bwv-abc123 forwards { 50001 }\n"
        "add element ip bwv-abc123 forwards { 50001 : 10.77.0.102 . 8 }",
        "add element ip bwv-abc123 forwards { 50002 : 10.77.0.101 . 8 }\ndelete element ip bwv-abc123 forwards { 5 }",
        "add element ip bwv-abc123 forwards { 50002 : 10.77.0.101 . 8",
        "add table ip bwv-abc123\ndelete table ip bwv-abc123\ntable ip bwv-abc123 {\n",
        "delete table ip nope",
        "*nat\nCOMMIT",
    ),
    "iptables": (
        "",
        f"{HEAD} -j NOCHAIN\nCOMMIT",
        "*nat\n-A NOWHERE -j ACCEPT\nCOMMIT",
        f"{HEAD} -p tcp -m tcp --dport 99999 -j ACCEPT\nCOMMIT",
        f"{HEAD} -p tcp -m tcp --dport 50002 -j DNAT --to-destination 10.77.0.101:8",
        f"{HEAD} -p tcp -m tcp --dport 50002 -j DNAT --to-destination 10.77.0.101:8\nEND ok\nCOMMIT",
        f"{HEAD} -p tcp -m tcp --dport 50002 -j DNAT --to-destination 10.77.0.101:8\nCOMMIT\n*filter\n-F NO\nCOMMIT",
        "*nat\n-D bwv-abc123-pre -p tcp -m tcp --dport 4 -j ACCEPT\nCOMMIT",
        "*nat\n-X bwv-abc123-pre\nCOMMIT",
        "*nat\n-F bwv-abc123-pre\n-X bwv-abc123-pre\nCOMMIT",
        "*nat\n:bwv-abc123-pre - [0:0]\nCOMMIT",
        "*filter\n-F bwv-abc123-fwd\nCOMMIT\n*nat\n:bwv-abc123-pre - [0:0]\n",
        "delete table ip bwv-abc123",
    ),
}
"""What drivers render, what is left of it where it was cut short, and what neither filter takes."""


@pytest.fixture(params=FILTERS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return DRIVERS[request.param].backend


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[tuple[Either, Either]]:
    with a_world_of("real", tmp_path) as real, a_world_of("simulated", tmp_path) as simulated:
        yield real, simulated


class Pair:
    """Two gateways that are told the same."""

    def __init__(self, worlds: tuple[Either, Either], backend: Backend) -> None:
        self.benches = [Bench(world, backend) for world in worlds]
        for bench in self.benches:
            bench.frame = Frame(bench.frame.installation, 50000, 60000, NETWORKS)

    async def make(self, table: Table) -> None:
        for bench in self.benches:
            await bench.make(table)

    async def compare(self) -> None:
        """Both show the same."""
        real, double = [await bench.listing() for bench in self.benches]
        assert [_timeless(part) for part in double] == [_timeless(part) for part in real]

    async def answers(self, call: Remote) -> tuple[str, str]:
        real, double = [await bench.run(call) for bench in self.benches]
        assert isinstance(real, Answer)
        assert isinstance(double, Answer)
        assert (double.exit_status, double.stderr) == (real.exit_status, real.stderr)
        return double.stdout.decode(), real.stdout.decode()


def _timeless(part: object) -> str:
    """A listing without dates and handles."""
    return re.sub(r' on ... ... .*|"handle": \d+', "", str(part))


async def test_both_show_the_same_rules(worlds: tuple[Either, Either], backend: Backend) -> None:
    pair = Pair(worlds, backend)
    await pair.compare()
    for table in ({}, WEB, MORE, {}):
        await pair.make(table)
        await pair.compare()
    for world in worlds:
        world.foreign("gw1", "-I PREROUTING -p tcp -m tcp --dport 50005 -j DNAT --to-destination 10.77.0.102:22")
    await pair.compare()
    await pair.make(WEB)
    await pair.compare()
    for bench in pair.benches:
        await bench.load(bench.driver.render_removal(bench.frame, await bench.actual()))
    await pair.compare()


async def test_both_take_and_refuse_the_same_input(worlds: tuple[Either, Either], backend: Backend) -> None:
    pair = Pair(worlds, backend)
    for text in INPUTS[backend]:
        await pair.make(WEB)
        double, real = await pair.answers(load(pair.benches[0].guard, backend, text, []))
        assert double.split()[:2] == real.split()[:2], f"{text}\n{real}"
        await pair.compare()


def _shape(answer: str) -> list[str]:
    """Which sections there are, which of them failed, and how the answer ends."""
    lines = [line.split() for line in answer.splitlines() if line.startswith(("== ", "END "))]
    return [f"{name} {'0' if status == '0' else 'failed'}" for _, name, status, *_ in (*lines[:-1],)] + lines[-1][1:2]


async def test_both_know_what_a_tool_that_fails_may_hold(worlds: tuple[Either, Either], backend: Backend) -> None:
    pair = Pair(worlds, backend)
    call = look(pair.benches[0].guard, pair.benches[0].frame.name)
    for broken in ((), ("nft",), ("iptables-save",), ("nft", "iptables-save")):
        for made in (False, True):
            for bench in pair.benches:
                await bench.make(WEB)
                if not made:
                    await bench.load(bench.driver.render_removal(bench.frame, await bench.actual()))
                    await bench.listing()
            for world, tool in product(worlds, broken):
                world.break_tool("gw1", tool)
            double, real = map(_shape, await pair.answers(call))
            assert double == real, (broken, made)
            for world, tool in product(worlds, broken):
                world.mend_tool("gw1", tool)


async def test_both_answer_questions_alike(worlds: tuple[Either, Either]) -> None:
    pair = Pair(worlds, "nftables")
    for world in worlds:
        world.hosts["node1"].serve(50001)
    gateway = worlds[0].gateways["gw1"]
    for call in (
        probe(gateway, []),
        probe(gateway, [Target("10.77.0.101", 50001)]),
        probe(gateway, [Target("10.77.0.101", 50002)]),
        resolve(gateway, []),
        resolve(gateway, ["node1", "node2", "node9"]),
    ):
        double, real = await pair.answers(call)
        assert sorted(double.splitlines()) == sorted(real.splitlines())
