"""What a command means by ``cmd1``, ``cmd1:sshd``, ``slurmctld`` or ``etcd2``."""

from dataclasses import dataclass

from bwvisu.sandbox.render import DAEMONS
from bwvisu.sandbox.runner import SandboxError
from bwvisu.sandbox.topology import Kind, Topology


@dataclass(frozen=True)
class Target:
    """A host, or one daemon of it."""

    host: str
    daemon: str | None = None


def daemons_of(topology: Topology, host: str) -> list[str]:
    """Names of a host's daemons."""
    kind = topology.hosts[host].kind
    return ["etcd"] if kind is Kind.ETCD else list(DAEMONS.get(kind, {}))


def parse(topology: Topology, text: str) -> Target:
    """``host``, ``host:daemon``, or the name of a daemon that runs only once.  SandboxError for anything else."""
    host, _, daemon = text.partition(":")
    if host in topology.hosts and (not daemon or daemon in daemons_of(topology, host)):
        return Target(host, daemon or None)
    owners = [name for name in topology.hosts if text in daemons_of(topology, name)]
    if len(owners) == 1:
        return Target(owners[0], text)
    raise SandboxError(f"{text!r} is none of {', '.join(topology.hosts)}, nor HOST:DAEMON, nor a daemon that runs once")
