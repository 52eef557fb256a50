"""A world per test, real and simulated, and one gateway in it that is talked to as the leader does."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from keyhole.domain import Family, Fence
from keyhole.gateway import Guard, Loaded, Remote, cuts_of, load, look, read_load, read_look
from keyhole.interfaces import Answer, NoAnswer
from keyhole.nat.choice import DRIVERS
from keyhole.nat.model import Actual, Backend, Driver, Frame, Listing, Table, Translation, difference
from tests.contract.nat.simulated import SimulatedWorld
from tests.contract.nat.world import World, a_world

INSTALLATION = "abc123"
OUTER = "198.51.100.21"
WEB = {50001: Translation("10.77.0.101", 50001)}
Either = World | SimulatedWorld
Kind = Literal["real", "simulated"]
KINDS: tuple[Kind, ...] = ("real", "simulated")
FILTERS: tuple[Backend, ...] = ("nftables", "iptables")
"""The double knows no proxy: `test_proxy_contract` tries it on the real one."""


@contextmanager
def a_world_of(kind: Kind, home: Path, gateways: Sequence[str] = ("gw1",), family: Family = 4) -> Iterator[Either]:
    """A world that is gone at the end."""
    if kind == "simulated":
        yield SimulatedWorld(gateways, family)
        return
    with a_world(home, gateways, family) as world:
        yield world


class Bench:
    """One driver on gateway ``gw1``."""

    def __init__(self, world: Either, backend: Backend, installation: str = INSTALLATION) -> None:
        self.world = world
        self.driver: Driver = DRIVERS[backend]
        gateway = world.gateways["gw1"]
        self.outer = gateway.external_ip
        self.frame = Frame(installation, 50000, 60000, world.plan.networks, gateway.family)
        self.guard = Guard(world.gateways["gw1"], installation, Fence(1, 7))
        self.shell = world.shell()

    async def run(self, call: Remote) -> Answer | NoAnswer:
        return await self.shell.run("gw1", call.script, call.args, call.stdin, 60)

    async def listing(self) -> Listing:
        listing = read_look(await self.run(look(self.guard, self.frame.name)))
        assert isinstance(listing, Listing), listing
        return listing

    async def actual(self) -> Actual:
        return self.driver.parse(await self.listing(), self.frame)

    async def load(self, rules: str, *cut: Table) -> object:
        call = load(self.guard, self.driver.backend, rules, cuts_of(*cut))
        return read_load(await self.run(call))

    async def make(self, table: Table) -> None:
        """Look, and load the difference."""
        actual = await self.actual()
        change = difference(actual, table)
        rules = self.driver.render(self.frame, table, change, actual)
        assert await self.load(rules, change.remove) == Loaded()

    def hear(self, port: int, address: str = "") -> bytes | None:
        return self.world.hosts["outside"].hear(address or self.outer, port)


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Either]:
    with a_world_of(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def real_world(tmp_path: Path) -> Iterator[World]:
    """For what needs packets, or the real tools."""
    with a_world(tmp_path) as made:
        yield made


@pytest.fixture(params=FILTERS)
def bench(world: Either, request: pytest.FixtureRequest) -> Bench:
    return Bench(world, request.param)
