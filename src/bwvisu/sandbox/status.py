"""How the hosts of an instance are doing, as seen from this machine."""

from dataclasses import dataclass, field
from typing import Literal

from bwvisu.sandbox import network, processes
from bwvisu.sandbox.hosts import Machine
from bwvisu.sandbox.targets import daemons_of
from bwvisu.sandbox.topology import Address, Topology

State = Literal["up", "paused", "down"]


@dataclass(frozen=True)
class HostStatus:
    """One host: its own state, its legs and those whose cable is pulled, and the state of each of its daemons."""

    name: str
    kind: str
    state: State
    addresses: dict[str, str] = field(default_factory=dict)
    pulled: list[str] = field(default_factory=list)
    daemons: dict[str, State] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Nothing about the host is stopped, paused or cut off."""
        return {self.state, *self.daemons.values()} == {"up"} and not self.pulled


def look(topology: Topology, machine: Machine) -> list[HostStatus]:
    """The status of every host."""
    pulled = network.pulled(topology)
    return [
        _look_at(topology, machine, name, [leg.value for host, leg in sorted(pulled) if host == name])
        for name in topology.hosts
    ]


def _look_at(topology: Topology, machine: Machine, name: str, pulled: list[str]) -> HostStatus:
    init = machine.init(name)
    return HostStatus(
        name=name,
        kind=topology.hosts[name].kind.value,
        state=_state([init] if init else []),
        addresses={leg.value: own for leg, own in topology.addresses.get(name, Address()).legs()},
        pulled=pulled if init else [],
        daemons={daemon: _state(machine.daemon(name, daemon)) for daemon in daemons_of(topology, name)},
    )


def _state(pids: list[int]) -> State:
    if not pids:
        return "down"
    return "paused" if all(processes.stopped(pid) for pid in pids) else "up"
