"""Gateways of a sandbox cluster, asked as the leader asks it, and as an administrator would by hand."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from bwvisu.adapters.gateway_shell import SshGatewayShell
from bwvisu.adapters.ssh import Command, Completed, SshPool
from bwvisu.roles.conversions import gateway_nodes, ssh_settings
from bwvisu.sandbox import Options, Sandbox
from bwvisu.settings import ClusterSettings, Settings
from keyhole.domain import Fence
from keyhole.gateway import Guard, Loaded, Remote, load, look, read_load, read_look
from keyhole.interfaces import Answer, NoAnswer
from keyhole.nat.choice import DRIVERS
from keyhole.nat.model import Actual, Backend, Driver, Frame, Listing, Table, Translation, difference
from tests.bench.table import Say

NAMES = ("gw1", "gw2")
FILTERS: tuple[Backend, ...] = ("nftables", "iptables")
FIRST = 50000
NODE = "node1"
BARE = {"nftables": ("sudo", "-n", "nft", "-f", "-"), "iptables": ("sudo", "-n", "iptables-restore", "--noflush")}
"""What an administrator would run."""
_SECONDS = 120.0


class Gateway:
    """One, over one open SSH connection, by one driver.  Times are seconds.

    ``first``: the lowest external port; another service's ports must lie elsewhere.
    """

    def __init__(self, box: Sandbox, pool: SshPool, name: str, backend: Backend, first: int = FIRST) -> None:
        self.box = box
        self.first = first
        settings = cluster_settings(box)
        nodes = gateway_nodes(settings)
        self._pool, self._node = pool, nodes[name]
        self._shell = SshGatewayShell(pool, nodes)
        gateway = settings.gateways_by_name()[name]
        self.outer = gateway.external_ip
        self.driver: Driver = DRIVERS[backend]
        self._guard = Guard(gateway, "bench", Fence(1, 1))
        networks = tuple(net for net in settings.compute_networks if net.version == gateway.family)
        self.frame = Frame("bench", first, first + 10_000, networks, gateway.family)

    def table(self, count: int) -> Table:
        """So many forwards, all to one node, to ports from 20000 on."""
        address = self.box.addresses[NODE].inner
        assert address
        return {self.first + number: Translation(address, 20000 + number) for number in range(count)}

    async def actual(self) -> Actual:
        """What is there of ours."""
        listing = read_look(await self._run(look(self._guard, self.frame.name)))
        assert isinstance(listing, Listing), listing
        return self.driver.parse(listing, self.frame)

    async def become(self, table: Table) -> float:
        """How long rendering and loading took, after a look that is not counted."""
        actual = await self.actual()
        began = time.perf_counter()
        rules = self.render(table, actual)
        answer = read_load(await self._run(load(self._guard, self.driver.backend, rules, [])))
        took = time.perf_counter() - began
        assert answer == Loaded(), answer
        return took

    def render(self, table: Table, actual: Actual) -> str:
        """What turns one into the other."""
        return self.driver.render(self.frame, table, difference(actual, table), actual)

    async def bare(self, rules: str) -> float:
        """How long the packet filter's own command took with these rules, over the same connection."""
        began = time.perf_counter()
        await self.command(*BARE[self.driver.backend], stdin=rules + "\n")
        return time.perf_counter() - began

    async def empty(self) -> None:
        """Nothing of ours is left."""
        rules = self.driver.render_removal(self.frame, await self.actual())
        if rules:
            await self.bare(rules)

    async def command(self, *argv: str, stdin: str = "") -> None:
        """Run a program there."""
        done = await self._pool.run(self._node, Command(argv, _SECONDS, stdin.encode()))
        assert isinstance(done, Completed), done
        assert done.exit_status == 0, done.stderr

    async def _run(self, call: Remote) -> Answer | NoAnswer:
        return await self._shell.run(self._guard.gateway.name, call.script, call.args, call.stdin, _SECONDS)


def cluster_settings(box: Sandbox) -> ClusterSettings:
    """As the service reads them."""
    return Settings.model_validate(box.settings()).clusters["main"]


@asynccontextmanager
async def connected(box: Sandbox, first: int = FIRST) -> AsyncIterator[dict[tuple[str, Backend], Gateway]]:
    """A cluster's gateways, by name and as each driver sees them; their connections are open."""
    async with aclosing(SshPool(ssh_settings(cluster_settings(box)))) as pool:
        found = {(name, backend): Gateway(box, pool, name, backend, first) for name in NAMES for backend in FILTERS}
        for each in found.values():
            await each.command("true")
        yield found


@asynccontextmanager
async def gateways(say: Say) -> AsyncIterator[dict[tuple[str, Backend], Gateway]]:
    """Those of a cluster of their own."""
    say("a sandbox cluster comes up")
    with Sandbox.up(Options(name=f"test-{os.getpid()}")) as box:
        async with connected(box) as found:
            yield found
