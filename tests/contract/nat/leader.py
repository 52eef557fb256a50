"""The leader's side of the keyhole, whole, with a ledger and a scheduler in memory."""

from collections.abc import Sequence
from dataclasses import replace

from keyhole.domain import Fence, ForwardPolicy, GrantPhase, JobForwards
from keyhole.proxy_scripts import LOAD_PROXY
from keyhole.reconciler import ForwardsReconciler, GatewayBoard, GatewaySync, ProbeBoard, Prober
from keyhole.scripts import LOAD, LOOK, PROBE
from tests.contract.nat.conftest import Either
from tests.support.keyhole import POLICY, Clock, MemoryBooks, MemoryOffice, MemoryTenants, grant


class Leader:
    """One leader with all its loops; several may live side by side, as when an old one does not know it yet."""

    def __init__(self, world: Either, books: MemoryBooks, fence: Fence | None, policy: ForwardPolicy = POLICY) -> None:
        policy = replace(policy, compute_networks=world.plan.networks)
        self.books, self.office, self.clock = books, MemoryOffice(fence), Clock()
        self.shell, self.board, self.tenants = world.shell(), GatewayBoard(), MemoryTenants()
        self.changed: list[str] = []
        self.probes = ProbeBoard(self.changed.append)
        self.forwards = ForwardsReconciler(
            policy=policy,
            gateways=world.gateways,
            books=books,
            tenants=self.tenants,
            shell=self.shell,
            board=self.board,
            clock=self.clock,
        )
        self.syncs = {
            name: GatewaySync(
                gateway=gateway,
                installation="abc123",
                policy=policy,
                books=books,
                shell=self.shell,
                office=self.office,
                board=self.board,
                clock=self.clock,
            )
            for name, gateway in world.gateways.items()
        }
        self.sync = self.syncs["gw1"]
        self.prober = Prober(gateway=world.gateways["gw1"], books=books, shell=self.shell, board=self.probes)

    def scripts(self) -> list[str]:
        """What was run since this was last asked."""
        names = {LOOK: "look", LOAD: "load", LOAD_PROXY: "load", PROBE: "probe"}
        told = [names.get(script, "other") for _, script in self.shell.scripts]
        self.shell.scripts.clear()
        return told


def held(
    job_id: str, ports: Sequence[int], phase: GrantPhase = GrantPhase.RESERVED, address: str = "10.77.0.101"
) -> JobForwards:
    """A record with one grant."""
    return JobForwards(job_id=job_id, grants=(grant(ports, phase, address=address),))
