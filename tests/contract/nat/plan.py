"""Addresses of the small network, in either family."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from keyhole.domain import Family, Gateway, Network


@dataclass(frozen=True)
class Plan:
    """Who has which address."""

    outer: str
    """What the gateways' outer addresses begin with; their numbers follow."""
    inner: str
    length: int
    """Of the networks, in bits."""
    networks: tuple[Network, ...]
    nodes: Mapping[str, str]
    clients: tuple[str, str]

    def gateway(self, name: str, number: int) -> Gateway:
        """As the settings name it."""
        return Gateway(name, internal_ip=f"{self.inner}{number}", external_ip=f"{self.outer}{number}", sudo="")


PLANS: Mapping[Family, Plan] = {
    4: Plan(
        outer="198.51.100.",
        inner="10.77.0.",
        length=24,
        networks=(ip_network("10.77.0.0/24"),),
        nodes={"node1": "10.77.0.101", "node2": "10.77.0.102"},
        clients=("198.51.100.100", "198.51.100.101"),
    ),
    6: Plan(
        outer="2001:db8:51::",
        inner="fd77::",
        length=64,
        networks=(ip_network("fd77::/64"),),
        nodes={"node1": "fd77::101", "node2": "fd77::102"},
        clients=("2001:db8:51::100", "2001:db8:51::101"),
    ),
}
