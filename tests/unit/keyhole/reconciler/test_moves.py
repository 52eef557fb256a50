"""Where forwards go whose gateway is left: only where the job can be met as it was met before."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network

import pytest
from structlog.testing import capture_logs

from keyhole.domain import Gateway, GrantPhase, JobForwards
from keyhole.interfaces import Answer, NoAnswer, Versioned
from keyhole.reconciler import ForwardsReconciler, GatewayBoard
from keyhole.reconciler.board import GatewayState
from tests.support.keyhole import FIRST, POLICY, Clock, MemoryBooks, MemoryTenants, NamesAndPorts, grant, tenancy

GATEWAYS = {
    each.name: each
    for each in (
        Gateway("gw1", "10.77.0.21", "198.51.100.21", host="one"),
        Gateway("gw1-six", "fd77::21", "2001:db8::21", host="one"),
        Gateway("gw1-too", "10.77.0.31", "198.51.100.31", host="one"),
        Gateway("gw2-six", "fd77::22", "2001:db8::22", host="two"),
        *(Gateway(f"gw{n}", f"10.77.0.2{n}", f"198.51.100.2{n}", host=str(n)) for n in range(3, 8)),
    )
}
UNFIT = ("gw1", "gw1-six", "gw1-too", "gw2-six")


class Names(NamesAndPorts):
    """Gateways that resolve names differently."""

    def __init__(self) -> None:
        super().__init__()
        self.of: dict[str, tuple[str, ...]] = {}
        """Gateway -> what it takes node1 for."""

    async def run(
        self, gateway: str, script: str, args: Sequence[str], stdin: bytes, seconds: float
    ) -> Answer | NoAnswer:
        self.names["node1"] = self.of.get(gateway, ("10.77.0.101",))
        return await super().run(gateway, script, args, stdin, seconds)


class House:
    """One job behind gw1, which is left."""

    def __init__(self) -> None:
        self.books, self.tenants, self.shell, self.board = MemoryBooks(), MemoryTenants(), Names(), GatewayBoard()
        self.tenants.jobs = {"j1": tenancy(FIRST, ("node1",))}
        old = grant([50000], GrantPhase.OPEN, gateway="gw1")
        self.books.records["j1"] = Versioned(JobForwards(job_id="j1", grants=(old,)), 1)
        networks = (*POLICY.compute_networks, ip_network("fd77::/64"))
        self.reconciler = ForwardsReconciler(
            policy=replace(POLICY, compute_networks=networks),
            gateways=GATEWAYS,
            books=self.books,
            tenants=self.tenants,
            shell=self.shell,
            board=self.board,
            clock=Clock(),
            left=lambda: {"gw1"},
        )

    def usable(self, *gateways: str) -> None:
        for name in gateways:
            self.board.saw(name, GatewayState(usable=True))

    @property
    def place(self) -> str:
        live = self.books.records["j1"].record.grant_for(FIRST)
        assert live is not None
        return live.gateway


@pytest.fixture
def house() -> House:
    return House()


async def test_what_moves_keeps_its_address_family_and_goes_to_another_machine(house: House) -> None:
    house.usable(*UNFIT)
    assert (await house.reconciler.move()).waiting["j1"].code == "no-gateway"
    assert not house.shell.calls, "none of them is asked"
    house.usable("gw3")
    assert (await house.reconciler.move()).moved == 1
    assert house.place == "gw3"


async def test_what_moves_tries_all_gateways_in_one_pass(house: House) -> None:
    """Those that do not know its host, and those that take it for somebody else."""
    house.shell.of = {"gw3": (), "gw4": ("192.0.2.1",), "gw5": (), "gw6": ("192.0.2.1",)}
    house.usable(*UNFIT, "gw3", "gw4", "gw5", "gw6", "gw7")
    assert (await house.reconciler.move()).moved == 1
    assert house.place == "gw7"


async def test_what_cannot_move_stays_and_it_is_said_once_why(house: House) -> None:
    house.usable("gw1", "gw3", "gw4")
    house.shell.of = {"gw3": (), "gw4": ("192.0.2.1",)}
    with capture_logs() as logs:
        for _ in range(3):
            assert (await house.reconciler.move()).waiting["j1"].code == "address-not-allowed"
        house.shell.of["gw4"] = ()
        assert (await house.reconciler.move()).waiting["j1"].code == "name-unknown"
    said = [each["why"] for each in logs if each["event"] == "forwards.staying"]
    assert said == [{"address-not-allowed": 1}, {"name-unknown": 1}]
    assert house.place == "gw1"


async def test_a_full_pool_is_said(house: House) -> None:
    full = grant(range(POLICY.first_port, POLICY.last_port + 1), GrantPhase.OPEN, gateway="gw3", hosts=("node2",))
    house.books.records["j2"] = Versioned(JobForwards(job_id="j2", grants=(full,)), 1)
    house.usable("gw3")
    assert (await house.reconciler.move()).waiting["j1"].code == "port-pool-exhausted"
