"""The keyhole's loops for one cluster during one term of office: who has forwards, and what each gateway is asked."""

from collections.abc import Awaitable, Callable, Iterator

from bwvisu.adapters.gateway_shell import SshGatewayShell
from bwvisu.adapters.ssh import Wire
from bwvisu.reconcilers.driver import Loop
from bwvisu.reconcilers.keyhole_host import LeaderBooks, LeaderOffice, LeaderTenants
from bwvisu.roles.base import Base
from bwvisu.roles.boards import Boards
from bwvisu.roles.conversions import gateway_nodes, own_addresses
from bwvisu.roles.nodes import Nodes
from keyhole.domain import Gateway
from keyhole.reach import EVERY as KNOCK_EVERY
from keyhole.reach import Reach
from keyhole.reconciler import ActivityWatch, ForwardsReconciler, GatewaySync, Knocker, ListeningShell, Prober


class GatewayLoops:
    """Three loops over all forwards, and four for each gateway."""

    def __init__(
        self,
        cluster: str,
        base: Base,
        installation: str,
        wire: Wire,
        books: LeaderBooks,
        tenants: LeaderTenants,
        office: LeaderOffice,
        boards: Boards,
        nodes: Nodes,
    ) -> None:
        self._cluster = cluster
        self._base = base
        self._installation = installation
        self._books = books
        self._office = office
        self._boards = boards
        settings, clock = base.settings.clusters[cluster], base.monotonic
        self._activity_every = settings.forwards.activity.interval
        self._policy = settings.forward_policy(own_addresses(base.settings))
        gateways = settings.gateways_by_name()
        self._reach = reach = Reach(gateways, self._policy.move_after)
        self._shell = ListeningShell(SshGatewayShell(wire, gateway_nodes(settings)), reach, clock)
        forwards = ForwardsReconciler(
            policy=self._policy,
            gateways=gateways,
            books=books,
            tenants=tenants,
            shell=self._shell,
            board=boards.gateways,
            clock=clock,
            drained=nodes.drained,
            left=lambda: reach.lost(clock()) | nodes.vacated(),
            connections=boards.activity.connections,
            on_change=self.sync,
        )
        self.retire = self._loop("retire", forwards.retire, interval=2.0, gap=0.05)
        self.serve = self._loop("serve", forwards.serve, interval=2.0, gap=0.05)
        self.move = self._loop("move", forwards.move, interval=2.0, gap=0.05)
        self._syncs = {name: self._sync_loop(gateway) for name, gateway in gateways.items()}
        self._others = [loop for gateway in gateways.values() for loop in self._watching(gateway)]

    def all(self) -> tuple[Loop, ...]:
        """Every loop."""
        return self.retire, self.serve, self.move, *self._syncs.values(), *self._others

    def judge(self) -> None:
        """Something has changed that decides who may have forwards."""
        self.retire.nudge()
        self.serve.nudge()

    def sync(self, gateway: str) -> None:
        """What this gateway is to carry has changed."""
        if gateway in self._syncs:  # the settings may have lost one that carries something
            self._syncs[gateway].nudge()

    def _sync_loop(self, gateway: Gateway) -> Loop:
        sync = GatewaySync(
            gateway=gateway,
            installation=self._installation,
            policy=self._policy,
            books=self._books,
            shell=self._shell,
            office=self._office,
            board=self._boards.gateways,
            clock=self._base.monotonic,
        )
        return self._loop(f"sync:{gateway.name}", sync.reconcile, interval=5.0, gap=0.05)

    def _watching(self, gateway: Gateway) -> Iterator[Loop]:
        """What is seen of a gateway and of the services behind it."""
        clock, shell, books = self._base.monotonic, self._shell, self._books
        prober = Prober(gateway=gateway, books=books, shell=shell, board=self._boards.probes)
        yield self._loop(f"probe:{gateway.name}", prober.reconcile, interval=0.5)
        knocker = Knocker(gateway=gateway, shell=shell, reach=self._reach, clock=clock)
        yield self._loop(f"knock:{gateway.name}", knocker.reconcile, interval=KNOCK_EVERY)
        watch = ActivityWatch(
            gateway=gateway,
            books=books,
            shell=shell,
            board=self._boards.activity,
            clock=clock,
            wall=self._base.wall,
            installation=self._installation,
        )
        yield self._loop(f"activity:{gateway.name}", watch.reconcile, interval=self._activity_every)

    def _loop(self, does: str, body: Callable[[], Awaitable[object]], *, interval: float, gap: float = 0.0) -> Loop:
        return Loop(f"{does}:{self._cluster}", body, interval=interval, gap=gap, clock=self._base.monotonic)
