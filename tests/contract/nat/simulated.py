"""The same small network around simulated gateways, with the hands and eyes of the real one."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from bwvisu.adapters.gateway_shell import SshGatewayShell
from bwvisu.adapters.ssh import Node
from keyhole.domain import Family
from keyhole.interfaces import Answer, NoAnswer
from tests.contract.nat.plan import PLANS
from tests.simulation.gateway import SimGateway
from tests.simulation.gateway_filter import Flow
from tests.simulation.ssh import SimPool
from tests.simulation.weather import Calm


class Drizzle(Calm):
    """Calm, but for faults that always happen."""

    def __init__(self) -> None:
        self.always: set[str] = set()

    def strikes(self, fault: str) -> bool:
        return fault in self.always


class SimulatedWorld:
    """As `World`; nothing of it outlives the test."""

    def __init__(self, gateways: Sequence[str] = ("gw1",), family: Family = 4) -> None:
        self.plan = plan = PLANS[family]
        self.addresses = plan.nodes
        self.gateways = {name: plan.gateway(name, number) for number, name in enumerate(gateways, start=21)}
        self.weather = Drizzle()
        self.listeners: dict[tuple[str, int], bytes] = {}
        """Greetings by address and port."""
        self.machines = {
            name: SimGateway(
                name,
                self.weather,
                listening=lambda address, port: (address, port) in self.listeners,
                names={name: (address,) for name, address in plan.nodes.items()},
                address=gateway.external_ip,
            )
            for name, gateway in self.gateways.items()
        }
        self.clients = plan.clients
        self.hosts = {name: SimulatedHost(self, name) for name in ("outside", *plan.nodes)}

    def shell(self) -> "SimulatedShell":
        return SimulatedShell(self)

    def flush(self, gateway: str) -> None:
        self.machines[gateway].flush()

    def reboot(self, gateway: str) -> None:
        self.machines[gateway].reboot()

    def foreign(self, gateway: str, rule: str) -> None:
        self.machines[gateway].foreign(rule)

    def saved(self, gateway: str) -> str:
        return self.machines[gateway].ruleset.save("nat")

    def objects(self, gateway: str) -> set[str]:
        return set(self.machines[gateway].ruleset.objects)

    def muted(self, client: "Client") -> bool:
        flow, gateway = client.flow, client.gateway
        return flow not in gateway.flows and gateway.ruleset.silent(flow.port, flow.client)

    def nft(self, gateway: str, line: str) -> None:
        machine = self.machines[gateway]
        machine.ruleset = machine.ruleset.loaded("nftables", line)

    def without_conntrack(self, gateway: str) -> None:
        assert gateway in self.machines
        self.weather.always.add("gateway.conntrack-fails")

    def count(self, gateway: str, *, on: bool) -> None:
        self.machines[gateway].counting = on

    def break_tool(self, gateway: str, tool: str) -> None:
        assert gateway in self.machines
        self.weather.always.add(f"gateway.{tool}-fails")

    def mend_tool(self, gateway: str, tool: str) -> None:
        assert gateway in self.machines
        self.weather.always.remove(f"gateway.{tool}-fails")

    def fence(self, gateway: str) -> str:
        return self.machines[gateway].fences.files[f"abc123.{gateway}"]

    def write_fence(self, gateway: str, text: str) -> None:
        self.machines[gateway].fences.files[f"abc123.{gateway}"] = text

    @asynccontextmanager
    async def locked(self, gateway: str) -> AsyncIterator[None]:
        async with self.machines[gateway].fences.locked():
            yield


class SimulatedHost:
    """A host that serves, or one that connects to gateways."""

    def __init__(self, world: SimulatedWorld, name: str) -> None:
        self.world = world
        self.name = name

    def serve(self, port: int, greeting: bytes = b"hello\n") -> "Listener":
        self.world.listeners[self.world.addresses[self.name], port] = greeting
        return Listener(self.world, (self.world.addresses[self.name], port))

    def connect(self, address: str, port: int, source: str = "") -> "Client":
        gateway = self._gateway(address)
        if (target := gateway.connect(source or self.world.clients[0], port)) is None:
            raise ConnectionRefusedError
        return Client(gateway, gateway.flows[-1], self.world.listeners[target.address, target.port])

    def unanswered(self, address: str, port: int, source: str) -> bool:
        gateway = self._gateway(address)
        return gateway.translates(port, source) is None and gateway.ruleset.silent(port, source)

    def _gateway(self, address: str) -> SimGateway:
        return next(each for each in self.world.machines.values() if each.address == address)

    def hear(self, address: str, port: int, source: str = "") -> bytes | None:
        try:
            client = self.connect(address, port, source)
        except ConnectionRefusedError:
            return None
        heard = client.recv(100)
        client.gateway.disconnect(lambda flow: flow == client.flow)
        return heard

    def knock(self, address: str, port: int) -> bool:
        """``nc -z``: connect and close; whether somebody answers."""
        try:
            client = self.connect(address, port)
        except ConnectionRefusedError:
            return False
        client.gateway.disconnect(lambda flow: flow == client.flow)
        return True


class Listener:
    """Something that accepts connections."""

    def __init__(self, world: SimulatedWorld, key: tuple[str, int]) -> None:
        self.world = world
        self.key = key

    def shutdown(self, how: int) -> None:
        del how

    def close(self) -> None:
        self.world.listeners.pop(self.key, None)


class Client:
    """Greeted, then echoed."""

    def __init__(self, gateway: SimGateway, flow: Flow, greeting: bytes) -> None:
        self.gateway = gateway
        self.flow = flow
        self.coming = greeting

    def send(self, data: bytes, /) -> int:
        self.coming += data
        self.gateway.carry(self.flow, 52 + len(data), 52 + len(data))
        return len(data)

    def recv(self, size: int, /) -> bytes:
        if self.flow not in self.gateway.flows:
            raise ConnectionResetError
        came, self.coming = self.coming[:size], self.coming[size:]
        return came


class SimulatedShell:
    """The production shell over the simulated wire."""

    def __init__(self, world: SimulatedWorld) -> None:
        self.away: set[str] = set()
        self.scripts: list[tuple[str, str]] = []
        nodes = {name: Node(name, "bwvisu") for name in world.machines}
        self._shell = SshGatewayShell(SimPool(world.machines, world.weather), nodes)

    async def run(
        self, gateway: str, script: str, args: Sequence[str], stdin: bytes, seconds: float
    ) -> Answer | NoAnswer:
        self.scripts.append((gateway, script))
        if gateway in self.away:
            return NoAnswer("unreachable")
        return await self._shell.run(gateway, script, args, stdin, seconds)
