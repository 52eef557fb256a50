"""A gateway that is of the other address family since the settings were changed, under its old name."""

from collections.abc import Sequence
from ipaddress import ip_network

import pytest
from structlog.testing import capture_logs

from keyhole.domain import Fence, ForwardPolicy, Gateway, GrantPhase, JobForwards
from keyhole.interfaces import Answer
from keyhole.reconciler import GatewayBoard, GatewaySync
from keyhole.scripts import LOOK
from tests.support.keyhole import Clock, MemoryBooks, MemoryOffice, grant
from tests.unit.keyhole.reconciler.test_moving import Left

SIX = Gateway("gw1", internal_ip="fd77::1", external_ip="2001:db8::1", sudo="")
POLICY = ForwardPolicy((ip_network("10.77.0.0/24"), ip_network("fd77:1::/64")), backend="nftables")
EMPTY = b"== works 0\n\n== nft 1\n\n== nat 0\n\n== filter 0\n\n\nEND ok\n"


class EmptyGateway:
    """A `GatewayShell` to a gateway that holds nothing and takes every load."""

    def __init__(self) -> None:
        self.loads: list[str] = []

    async def run(self, gateway: str, script: str, args: Sequence[str], stdin: bytes, seconds: float) -> Answer:
        del gateway, args, seconds
        if script == LOOK:
            return Answer(0, EMPTY, b"")
        self.loads.append(stdin.decode())
        return Answer(0, b"\nEND ok\n", b"")


@pytest.mark.parametrize("phase", [GrantPhase.RESERVED, GrantPhase.OPEN, GrantPhase.CLOSING])
async def test_a_gateway_serves_its_family_and_confirms_nothing_of_the_other(phase: GrantPhase) -> None:
    books, shell = MemoryBooks(), EmptyGateway()
    books.put(JobForwards(job_id="old", grants=(grant([50001], phase),)))
    own = grant([50002], GrantPhase.RESERVED, address="fd77:1::5")
    books.put(JobForwards(job_id="new", grants=(own,)))
    sync = GatewaySync(
        gateway=SIX,
        installation="abc123",
        policy=POLICY,
        books=books,
        shell=shell,
        office=MemoryOffice(Fence(1, 1)),
        board=GatewayBoard(),
        clock=Clock(),
    )
    with capture_logs() as logs:
        told = [await sync.reconcile(), await sync.reconcile()]
    assert (told[0].outcome, told[0].opened, told[0].quarantined) == ("loaded", 1, 0)
    assert [each.phase for each in books.grants("old")] == [phase]
    assert [each.phase for each in books.grants("new")] == [GrantPhase.OPEN]
    assert "fd77:1::5" in shell.loads[0]
    assert "10.77.0.101" not in "".join(shell.loads)
    warned = [(each["gateway"], each["job"]) for each in logs if each["event"] == "gateway.other-family"]
    assert warned == [("gw1", "old")], "once"


async def test_forwards_of_the_other_family_move() -> None:
    house = Left()
    house.gateways["gw1"] = SIX
    house.has(grant([50001]))
    house.has(grant([50002], address="fd77:1::5"), job_id="j2")
    assert (await house.reconciler.move()).moved == 1
    assert house.ways() == [("gw1", GrantPhase.CLOSING, [50001]), ("gw2", GrantPhase.RESERVED, [50001])]
    assert house.ways("j2") == [("gw1", GrantPhase.OPEN, [50002])]
