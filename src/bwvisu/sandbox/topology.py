"""What a sandbox consists of: its hosts, their legs and addresses, as a pure function of a number and options."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Literal

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
MIDDLEWARE = "middleware"
"""This machine itself, as the cluster sees it: a leg in the inner and one in the outer network."""


INSTANCES = 100
"""Side by side on one machine; a third digit would not fit into the kernel's interface names."""


class Leg(StrEnum):
    """A network, and the name of a host's interface in it."""

    INNER = "inner"
    OUTER = "outer"
    FABRIC = "fabric"


_OCTETS = {Leg.INNER: 77, Leg.FABRIC: 78, Leg.OUTER: 79}


class Kind(StrEnum):
    """What a host is for."""

    CONTROLLER = "controller"
    COMMAND = "command"
    GATEWAY = "gateway"
    COMPUTE = "compute"
    OUTSIDE = "outside"
    MUNGE = "munge"
    ETCD = "etcd"

    @property
    def own_network(self) -> bool:
        """False for helpers that live in this machine's own network namespace."""
        return self not in {Kind.MUNGE, Kind.ETCD}

    @property
    def shares_home(self) -> bool:
        """Command and compute nodes mount one /home, as on a real cluster."""
        return self in {Kind.COMMAND, Kind.COMPUTE}


@dataclass(frozen=True)
class Options:
    """What a person may choose at ``up``.  Times are seconds and go to Slurm's parameters of the same name."""

    name: str = "default"
    etcd: int = 1
    etcd_tls: bool = True
    etcd_auth: bool = False
    """Password authentication with the users ``root`` and ``bwvisu`` (who has the prefix /bwvisu)."""
    etcd_users: tuple[str, ...] = ()
    """Users that etcd knows by the name in their client certificate, beside ``root``; they have no rights yet."""
    min_job_age: int = 300
    slurmd_timeout: int = 20
    kill_wait: int = 5
    message_timeout: int = 10
    forward_policy: Literal["accept", "drop"] = "accept"
    """The gateways' FORWARD policy; a plain Debian accepts."""
    ipv6: bool = False
    """Every host has an IPv6 address beside each IPv4 one, and gateways forward both.

    Slurm, SSH and etcd keep to IPv4."""
    install: bool = True
    """Install missing Debian packages."""

    def __post_init__(self) -> None:
        if not NAME_PATTERN.fullmatch(self.name):
            raise ValueError(f"sandbox name {self.name!r}: lower-case letters, digits and hyphens, at most 31")
        if self.etcd not in (1, 3):
            raise ValueError("etcd: 1 or 3 members")
        if self.etcd_users and not self.etcd_tls:
            raise ValueError("etcd_users: they are known by their certificates, so that etcd_tls must be on")


@dataclass(frozen=True)
class Address:
    """A host's addresses; None where it has no such leg."""

    inner: str | None = None
    outer: str | None = None
    fabric: str | None = None

    def legs(self) -> Iterator[tuple[Leg, str]]:
        """Each leg that the host has, with its address."""
        for leg in Leg:
            if (address := getattr(self, leg)) is not None:
                yield leg, address


@dataclass(frozen=True)
class Host:
    """One host: a set of namespaces held by one init process."""

    name: str
    kind: Kind
    number: int
    """Last octet of its addresses."""


HOSTS = (
    Host("munge", Kind.MUNGE, 0),
    Host("ctl", Kind.CONTROLLER, 2),
    Host("cmd1", Kind.COMMAND, 11),
    Host("cmd2", Kind.COMMAND, 12),
    Host("gw1", Kind.GATEWAY, 21),
    Host("gw2", Kind.GATEWAY, 22),
    Host("node1", Kind.COMPUTE, 31),
    Host("node2", Kind.COMPUTE, 32),
    Host("node3", Kind.COMPUTE, 33),
    Host("outside", Kind.OUTSIDE, 100),
)
_LEGS = {
    Kind.CONTROLLER: (Leg.INNER,),
    Kind.COMMAND: (Leg.INNER,),
    Kind.GATEWAY: (Leg.INNER, Leg.OUTER, Leg.FABRIC),
    Kind.COMPUTE: (Leg.INNER, Leg.FABRIC),
    Kind.OUTSIDE: (Leg.OUTER,),
    Kind.MUNGE: (),
    Kind.ETCD: (),
}


@dataclass(frozen=True)
class Topology:
    """Hosts, networks and names of the instance with this number, below INSTANCES."""

    number: int
    options: Options

    @property
    def prefix(self) -> str:
        """Begins the name of every namespace, bridge and link of the instance."""
        return f"bwv{self.number}"

    @cached_property
    def hosts(self) -> dict[str, Host]:
        """All hosts by name, in the order in which they boot."""
        members = [Host(f"etcd{n}", Kind.ETCD, n) for n in range(1, self.options.etcd + 1)]
        return {host.name: host for host in (*HOSTS, *members)}

    def of_kind(self, *kinds: Kind) -> list[Host]:
        """The hosts that are of one of the kinds."""
        return [host for host in self.hosts.values() if host.kind in kinds]

    def network(self, leg: Leg) -> IPv4Network:
        """The /24 of a leg."""
        return IPv4Network(f"10.{_OCTETS[leg]}.{self.number}.0/24")

    def network6(self, leg: Leg) -> IPv6Network:
        """The /64 of a leg, where the instance has IPv6."""
        return IPv6Network(f"fd77:{_OCTETS[leg]}:{self.number}::/64")

    @cached_property
    def addresses6(self) -> dict[str, Address]:
        """IPv6 addresses of the same hosts and legs, which end in the same number; empty without IPv6."""
        if not self.options.ipv6:
            return {}

        def second(leg: Leg, first: str) -> str:
            return str(self.network6(leg).network_address).removesuffix("::") + "::" + first.rpartition(".")[2]

        return {
            name: Address(**{leg.value: second(leg, own) for leg, own in address.legs()})
            for name, address in self.addresses.items()
        }

    @cached_property
    def addresses(self) -> dict[str, Address]:
        """Addresses of every host that has any, and of this machine."""
        found = {host.name: self._address(_LEGS[host.kind], host.number) for host in self.hosts.values()}
        found[MIDDLEWARE] = self._address((Leg.INNER, Leg.OUTER), 1)
        return {name: address for name, address in found.items() if any(address.legs())}

    def _address(self, legs: tuple[Leg, ...], number: int) -> Address:
        return Address(**{leg.value: str(self.network(leg)[number]) for leg in legs})

    def etcd_address(self, member: str) -> IPv4Address:
        """A loopback address of its own per member: no port can be taken, and no node reaches it."""
        return IPv4Address(f"127.77.{self.number}.{self.hosts[member].number}")

    def namespace(self, host: str) -> str:
        """Name of a host's network namespace."""
        return f"{self.prefix}-{host}"

    @property
    def switch(self) -> str:
        """Namespace of the bridges, so that this machine's bridge-netfilter never sees their frames."""
        return f"{self.prefix}-switch"

    def port(self, host: str, leg: Leg) -> str:
        """The bridge port at the other end of a host's cable (at most 15 characters, as the kernel wants)."""
        short = "mw" if host == MIDDLEWARE else host
        return f"{self.prefix}-{short}-{leg.value[0]}"

    def machine_link(self, leg: Leg) -> str:
        """This machine's own interface in a network."""
        return f"{self.prefix}-{leg.value}"
