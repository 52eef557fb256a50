"""Namespaces, bridges and cables: rendered as ``ip -batch`` text by pure functions, then run."""

import os
import shutil
from collections.abc import Iterable

from bwvisu.sandbox.runner import PATH, check, run
from bwvisu.sandbox.topology import MIDDLEWARE, Address, Host, Leg, Topology


def bridges(topology: Topology) -> str:
    """Batch for the switch's namespace: one bridge per network, which forwards at once."""
    lines = []
    for leg in Leg:
        bridge = f"{topology.prefix}-{leg.value}"
        lines += [f"link add {bridge} type bridge forward_delay 0 stp_state 0", f"link set {bridge} up"]
    return "\n".join(lines) + "\n"


def cables(topology: Topology, host: str, *, end: str) -> str:
    """Batch for the switch's namespace: a cable per leg from a bridge to the namespace ``end`` (a name or a pid).

    A host keeps its hardware addresses over reboots, so that nobody's ARP table is wrong.
    """
    lines = []
    for leg, address in topology.addresses[host].legs():
        port = topology.port(host, leg)
        inside = topology.machine_link(leg) if host == MIDDLEWARE else leg.value
        mac = ":".join(f"{int(octet):02x}" for octet in ("2", "191", *address.split(".")))
        lines += [
            f"link add {port} type veth peer name {inside} address {mac} netns {end}",
            f"link set {port} master {topology.prefix}-{leg.value} up",
        ]
    return "\n".join(lines) + "\n"


def machine_addresses(topology: Topology) -> str:
    """Batch for this machine's own namespace."""
    lines = []
    for leg, address in topology.addresses[MIDDLEWARE].legs():
        link = topology.machine_link(leg)
        lines += [f"address add {address}/24 dev {link}", f"link set {link} up"]
    for leg, address in topology.addresses6.get(MIDDLEWARE, Address()).legs():
        lines += [f"address add {address}/64 dev {topology.machine_link(leg)} nodad"]
    return "\n".join(lines) + "\n"


def _switch(topology: Topology, *argv: str) -> list[str]:
    # not `ip -n`, which remounts "/" and so fails in a chroot
    return ["nsenter", f"--net=/run/netns/{topology.switch}", "ip", *argv]


def _in_switch(topology: Topology, batch: str) -> None:
    check(_switch(topology, "-batch", "-"), stdin=batch)


def lay(topology: Topology) -> None:
    """Make the switch and this machine's own legs."""
    check(["ip", "netns", "add", topology.switch])
    _in_switch(topology, bridges(topology) + cables(topology, MIDDLEWARE, end=str(os.getpid())))
    check(["ip", "-batch", "-"], stdin=machine_addresses(topology))


def connect(topology: Topology, hosts: Iterable[Host]) -> None:
    """Give each host a fresh network namespace, wired to the bridges: empty firewall, no old connection."""
    hosts = [host for host in hosts if host.kind.own_network]
    check(["ip", "-batch", "-"], stdin="".join(f"netns add {topology.namespace(host.name)}\n" for host in hosts))
    _in_switch(topology, "".join(cables(topology, h.name, end=topology.namespace(h.name)) for h in hosts))


def disconnect(topology: Topology, host: Host) -> None:
    """Remove a host's cables and namespace, as far as they are there."""
    if not host.kind.own_network:
        return
    for leg, _ in topology.addresses[host.name].legs():
        run(_switch(topology, "link", "delete", topology.port(host.name, leg)))
    run(["ip", "netns", "delete", topology.namespace(host.name)])


def remove(topology: Topology) -> None:
    """Remove every namespace and link of the instance, whatever is left of it."""
    for leg in Leg:
        run(["ip", "link", "delete", topology.machine_link(leg)])
    names = [line.split()[0] for line in check(["ip", "netns", "list"]).splitlines()]
    for name in names:
        if name.startswith(f"{topology.prefix}-"):
            run(["ip", "netns", "delete", name])


def set_cables(topology: Topology, host: str, leg: Leg | None, *, plugged: bool) -> None:
    """Pull or plug the cable of one leg, or of all.  The host's own end shows NO-CARRIER."""
    legs = [own for own, _ in topology.addresses[host].legs() if leg in (None, own)]
    if not legs:
        raise ValueError(f"{host} has no leg {leg}")
    state = "up" if plugged else "down"
    _in_switch(topology, "".join(f"link set {topology.port(host, own)} {state}\n" for own in legs))


def pulled(topology: Topology) -> set[tuple[str, Leg]]:
    """The cables that are pulled now."""
    shown = run(_switch(topology, "-oneline", "link", "show")).stdout
    down = {line.split(": ")[1].split("@")[0] for line in shown.splitlines() if ",UP" not in line.split(">")[0]}
    return {
        (host, leg)
        for host, address in topology.addresses.items()
        for leg, _ in address.legs()
        if topology.port(host, leg) in down
    }


def prepare_kernel() -> None:
    """Load what this kernel has as modules; a kernel without modules has all of it built in, or its absence shows."""
    if shutil.which("modprobe", path=PATH):
        run(["modprobe", "--all", "--quiet", "bridge", "veth", "overlay", "nf_conntrack", "nf_tables"])
