"""What befalls the world from outside: deaths, cuts, stops, and people with other plans.

Each mishap happens at once and, where it can end, ends by itself; `Chaos.calm` ends all that is left.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from bwvisu.adapters.etcd import Delete, Put
from bwvisu.adapters.records import encode
from bwvisu.domain.cluster import Drain
from tests.simulation.gateway import SimGateway
from tests.simulation.service import CLUSTER, FIRST_PORT, KEYS, LAST_PORT, Service, wall
from tests.simulation.slurm import RefusedError
from tests.simulation.world import World

Mishap = Callable[["Chaos"], Awaitable[None]]


class Chaos:
    """Mishaps of one world, drawn by its chance."""

    def __init__(self, world: World, chosen: list[str]) -> None:
        self.world = world
        self._chosen = chosen
        self._going_on: set[asyncio.Task[None]] = set()
        self._absences: set[asyncio.Task[None]] = set()
        """Those of `_going_on` that are a gateway's absence and nothing else."""
        self._struck = 0
        self.calamity = True
        """Whether more was wrong, when that was last asked, than that a gateway is away."""

    async def rage(self, until: float) -> None:
        """One mishap after another, some at the same time."""
        world, chance = self.world, self.world.chance
        while world.loop.time() < until:
            await asyncio.sleep(chance.uniform(0.5, 12.0))
            name = chance.choice(self._chosen)
            world.say(f"chaos: {name}")
            task = asyncio.ensure_future(MISHAPS[name](self))
            for those in (self._going_on, *([self._absences] if name == "gateway_unreachable" else [])):
                those.add(task)
                task.add_done_callback(those.discard)

    async def calm(self) -> None:
        """Let what is going on come to its end, and the weather be fine."""
        while self._going_on:
            await asyncio.wait(set(self._going_on))
        self.world.weather.raging = False
        self.world.say("chaos: calm")

    def troubled(self) -> bool:
        """Whether anything has been wrong with the world since this was last asked, or nobody leads."""
        struck = sum(self.world.weather.struck.values())
        before, self._struck = self._struck, struck
        self.calamity = struck != before or self.world.leader is None or bool(self._going_on - self._absences)
        return self.calamity or bool(self._absences)

    # ---- the service's own processes --------------------------------------------------------------------------

    async def kill_leader(self) -> None:
        """SIGKILL, and a supervisor that starts it again."""
        leader = self.world.leader
        if leader is not None and leader.alive:
            await self._restart(leader)

    async def kill_any(self) -> None:
        """Any process of the service."""
        service = self.world.chance.choice(self.world.services)
        if service.alive:
            await self._restart(service)

    async def stop_leader(self) -> None:
        """SIGSTOP, mostly for longer than its lease, and SIGCONT."""
        leader = self.world.leader
        if leader is None or not leader.alive:
            return
        process = leader.process
        self.world.loop.freeze(process)
        await self._a_while(2.0, 40.0)
        self.world.loop.thaw(process)

    async def leader_deposed(self) -> None:
        """A person revokes the leader's lease: it does not know yet, and the next one leads at once."""
        entry = self.world.etcd.entries.get(KEYS.leader)
        if entry is not None and entry.lease in self.world.etcd.leases:
            self.world.etcd.revoke("person", entry.lease)

    async def cut_leader_from_etcd(self) -> None:
        """A network that is cut in one place."""
        await self._cut(lambda leader: (leader, "etcd"))

    async def cut_leader_from_gateway(self) -> None:
        """One gateway cannot be managed by the leader."""
        await self._cut(lambda leader: (leader, self.world.chance.choice(("gw1", "gw2"))))

    async def cut_leader_from_command_node(self) -> None:
        """One command node is away for the leader."""
        await self._cut(lambda leader: (leader, self.world.chance.choice(("c1", "c2"))))

    async def wall_clock_jumps(self) -> None:
        """NTP, or a person, sets a clock of the service."""
        service = self.world.chance.choice(self.world.services)
        service.skew = self.world.chance.choice((-3600.0, -20.0, 20.0, 3600.0))
        self.world.time_was_wrong |= abs(service.skew) > 60
        await self._a_while(5.0, 60.0)
        service.skew = 0.0

    async def _restart(self, service: Service) -> None:
        self.world.say(f"chaos: {service.name} is killed")
        self.world.kill(service)
        await self._a_while(0.5, 15.0)
        if not service.alive:
            service.start()

    async def _cut(self, ends: Callable[[str], tuple[str, str]]) -> None:
        leader = self.world.leader
        if leader is None:
            return
        pair = frozenset(ends(leader.name))
        self.world.weather.cut.add(pair)
        await self._a_while(2.0, 50.0)
        self.world.weather.cut.discard(pair)

    # ---- etcd -------------------------------------------------------------------------------------------------

    async def etcd_without_majority(self) -> None:
        """Writes and reads are not answered for a while."""
        etcd = self.world.etcd
        etcd.available = False
        await self._a_while(1.0, 40.0)
        etcd.available = True

    async def etcd_restarts(self) -> None:
        """Connections break."""
        self.world.etcd.restart()

    async def etcd_compacts(self) -> None:
        """History is forgotten, while watches may be behind."""
        etcd = self.world.etcd
        if etcd.compacted < etcd.revision:
            etcd.compact(etcd.revision)

    # ---- gateways ---------------------------------------------------------------------------------------------

    async def gateway_reboots(self) -> None:
        """Rules and connections are gone."""
        gateway = self._gateway()
        gateway.power(False)
        await self._a_while(0.5, 30.0)
        gateway.reboot()
        gateway.power(True)

    async def gateway_unreachable(self) -> None:
        """Its management is away, perhaps for so long that its forwards move; its rules go on."""
        gateway = self._gateway()
        gateway.power(False)
        await self._a_while(5.0, self.world.chance.choice((60.0, 60.0, 150.0)))
        gateway.power(True)

    async def gateway_vacated(self) -> None:
        """An administrator drains it, mostly with all that it carries, and puts it to use again."""
        gateway, key = self._gateway(), KEYS.gateway(CLUSTER, "")
        move = self.world.chance.random() < 0.8
        order = Drain(by="admin", at=wall(self.world.loop.time()), move=move)
        self.world.etcd.commit("a1", [], [Put(key + gateway.name, encode(order))])
        await self._a_while(2.0, 60.0)
        self.world.etcd.commit("a1", [], [Delete(key + gateway.name)])

    async def gateway_flushed(self) -> None:
        """Somebody reloads the firewall."""
        self._gateway().flush()

    async def foreign_rule(self) -> None:
        """Somebody forwards a port of our block elsewhere, behind our back."""
        gateway, port = self._gateway(), self.world.chance.randint(FIRST_PORT, LAST_PORT)
        if not gateway.foreign_rules:
            gateway.foreign(f"-A PREROUTING -p tcp -m tcp --dport {port + 5000} -j DNAT --to-destination 10.7.7.7:80")

    async def somebody_connects(self) -> None:
        """A viewer comes, and stays."""
        for gateway in self.world.gateways.values():
            for port in gateway.rules():
                gateway.connect("203.0.113.9", port)

    # ---- Slurm and its hosts ----------------------------------------------------------------------------------

    async def slurmctld_hangs(self) -> None:
        """Everything that asks it waits; what it was asked, it does when it goes on."""
        slurm, chance = self.world.slurm, self.world.chance
        slurm.hang(True)
        await self._a_while(1.0, 200.0 if chance.random() < 0.2 else 40.0)
        slurm.hang(False)

    async def slurmctld_dies(self) -> None:
        """It is not there for a while."""
        self.world.slurm.die()
        await self._a_while(1.0, 40.0)
        self.world.slurm.start()

    async def command_node_away(self) -> None:
        """It does not answer, or takes connections and then does nothing."""
        node = self.world.command_nodes[self.world.chance.choice(("c1", "c2"))]
        hangs = self.world.chance.random() < 0.5
        node.up, node.hanging = hangs, hangs
        await self._a_while(2.0, 40.0)
        node.up, node.hanging = True, False

    async def requeued(self) -> None:
        """Site policy, in spite of --no-requeue."""
        if job := self._running():
            self.world.slurm.requeue(job)

    async def cancelled_outside(self) -> None:
        """Its owner uses scancel."""
        if job := self._running():
            with suppress(RefusedError):
                self.world.slurm.cancel(job, "root")

    async def compute_node_dies(self) -> None:
        """A node loses power, and comes back."""
        name = self.world.chance.choice(sorted(self.world.slurm.nodes))
        self.world.slurm.kill_node(name)
        await self._a_while(5.0, 60.0)
        self.world.slurm.revive_node(name)

    async def compute_node_cut_off(self) -> None:
        """A node is alone for a while, with what runs on it."""
        name = self.world.chance.choice(sorted(self.world.slurm.nodes))
        self.world.slurm.cut_node(name)
        await self._a_while(5.0, 60.0)
        self.world.slurm.revive_node(name)

    async def completing_for_ever(self) -> None:
        """The processes of a job cannot be ended."""
        if job := self._running():
            self.world.slurm.wedge(job)
        await self._a_while(30.0, 90.0)
        self.world.slurm.unwedge()

    # ---- inside -----------------------------------------------------------------------------------------------

    def _gateway(self) -> SimGateway:
        return self.world.gateways[self.world.chance.choice(("gw1", "gw2"))]

    def _running(self) -> int | None:
        numbers = sorted(number for number, _ in self.world.scripts)
        return self.world.chance.choice(numbers) if numbers else None

    async def _a_while(self, low: float, high: float) -> None:
        await asyncio.sleep(self.world.chance.uniform(low, high))


MISHAPS: Mapping[str, Mishap] = {
    name: function
    for name, function in vars(Chaos).items()
    if not name.startswith("_") and name not in {"rage", "calm", "troubled", "calamity"}
}
