"""A gateway's kernel: both packet filters side by side, and the connections that they have translated."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from itertools import pairwise
from typing import NamedTuple

from keyhole.nat.model import Passage, Target, Translation
from tests.simulation import gateway_iptables, gateway_nft
from tests.simulation.gateway_nft import NftTable, Rejected

__all__ = ["Flow", "Rejected", "Ruleset", "transactions"]

PREFIX = "bwv-"
"""Whose tables and chains are ours."""


class Flow(NamedTuple):
    """A connection as conntrack knows it: it goes on although the rule that translated it is gone."""

    number: int
    """Its client's port."""
    client: str
    port: int
    """The gateway's."""
    target: Target

    @property
    def known(self) -> Passage:
        """As the leader knows it."""
        return Passage(self.port, self.client, self.target)

    def words(self, *, anybody: bool = False) -> tuple[str, ...]:
        """Port, client (``*``: whoever) and target, as texts and cuts name it."""
        return str(self.port), "*" if anybody else self.client, self.target.address, str(self.target.port)

    def shown(self, gateway: str, counted: tuple[int, int] | None) -> str:
        """As ``conntrack -L -o id`` prints it; ``counted``: bytes from its client and to it."""
        there, back = self.target.port, self.number
        sent, received = (f"packets=9 bytes={each} " for each in counted) if counted is not None else ("", "")
        return (
            f"tcp      6 431999 ESTABLISHED src={self.client} dst={gateway} sport={self.number} dport={self.port} "
            f"{sent}src={self.target.address} dst={gateway} sport={there} dport={back} {received}"
            f"[ASSURED] mark=0 use=1 id={self.number}"
        )


def transactions(backend: str, text: str) -> Iterator[str]:
    """The parts of an input that take effect one after another, each at once on what is there by then.

    Each is led by as many empty lines as were before it, so that errors name the right one.
    """
    if backend == "nftables":
        yield text
        return
    lines = text.splitlines()
    ends = [number for number, line in enumerate(lines, start=1) if line == "COMMIT"]
    for begin, end in pairwise([0, *ends, len(lines)]):
        if end > begin:
            yield "\n" * begin + "\n".join(lines[begin:end])


@dataclass(frozen=True)
class Ruleset:
    """All rules at one moment; every change makes another one, so that nobody ever sees half of it."""

    nft: Mapping[str, NftTable]
    iptables: gateway_iptables.Tables

    @classmethod
    def booted(cls, foreign: Iterable[str]) -> "Ruleset":
        """What is there after the site's own rules were loaded: ``-A CHAIN …`` or ``-I CHAIN …`` of table nat."""
        rules = Ruleset({}, gateway_iptables.EMPTY)
        for line in foreign:
            rules = rules.with_foreign(line)
        return rules

    def with_foreign(self, line: str) -> "Ruleset":
        """One more rule of somebody else in table nat."""
        (tables,) = gateway_iptables.restore(self.iptables, f"*nat\n{line}\nCOMMIT")
        return Ruleset(self.nft, tables)

    def loaded(self, backend: str, transaction: str) -> "Ruleset":
        """The rules after one of `transactions`; raises `Rejected`."""
        if backend == "nftables":
            return Ruleset(gateway_nft.load(self.nft, transaction), self.iptables)
        return Ruleset(self.nft, [self.iptables, *gateway_iptables.restore(self.iptables, transaction)][-1])

    def translates(self, port: int, client: str) -> Target | None:
        """Where a client's new connection to this port is led: nftables first, its hook comes before iptables'."""
        if self._stranger(port, client):
            return None
        found = (table.in_effect[port].target for table in self.nft.values() if port in table.in_effect)
        return next(found, None) or gateway_iptables.translates(self.iptables["nat"], port, client)

    def silent(self, port: int, client: str) -> bool:
        """Whether a client's new connection to this port, where nothing leads it on, is not even refused."""
        return self._stranger(port, client) or gateway_iptables.drops(self.iptables["filter"], port, client)

    def _stranger(self, port: int, client: str) -> bool:
        """Whether nftables drops it before anybody translates."""
        bound = (table.in_effect[port].sources for table in self.nft.values() if port in table.in_effect)
        return any(each is not None and not any(ip_address(client) in source for source in each) for each in bound)

    @cached_property
    def own(self) -> Mapping[int, Translation]:
        """Our forwards that are in effect, by external port; one that lets nobody in is none."""
        nat, own = self.iptables["nat"], dict[int, Translation]()
        hooked = {gateway_iptables.target_of(rule) for rule in nat["PREROUTING"]}
        for chain in sorted(chain for chain in hooked if chain.startswith(PREFIX)):
            own |= gateway_iptables.forwards(nat[chain])
        for table in (table for name, table in self.nft.items() if name.startswith(PREFIX)):
            own |= {port: way for port, way in table.in_effect.items() if way.sources != frozenset()}
        return own

    @property
    def objects(self) -> list[str]:
        """Names of all that is ours, in effect or not."""
        names = [*self.nft, *(chain for chains in self.iptables.values() for chain in chains)]
        return sorted(name for name in names if name.startswith(PREFIX))

    def holds(self, foreign: str) -> bool:
        """Whether this foreign rule of table nat is there."""
        _, chain, rule = foreign.split(" ", 2)
        return rule in self.iptables["nat"][chain]

    def list_tables(self, family: str = "ip") -> str:
        """``nft list tables``: iptables' own, of the gateway's family, appear once something was in them."""
        used = [name for name, chains in self.iptables.items() if chains != gateway_iptables.EMPTY[name]]
        own = [f"table {table.family} {name}" for name, table in self.nft.items()]
        return "\n".join([*own, *(f"table {family} {name}" for name in sorted(used))])

    def list_table(self, name: str) -> str | None:
        """``nft -j list table ip NAME``; None: there is none."""
        return gateway_nft.show(name, self.nft[name]) if name in self.nft else None

    def save(self, table: str, family: str = "ip") -> str:
        """``iptables-save -t TABLE``."""
        return gateway_iptables.save(table, self.iptables[table], family)
