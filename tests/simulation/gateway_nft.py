"""nftables, as far as our driver goes: read as ``nft -f`` reads it, shown as ``nft -j list table`` shows it."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from keyhole.domain import Network
from keyhole.nat.model import Target, Translation

_STRANGER = re.compile(
    r"ct state != established fib daddr type local tcp dport @bound tcp dport \. (ip6?) saddr != @admitted drop "
    r'comment "([^"]*)"'
)
_DNAT = re.compile(r'fib daddr type local dnat (ip6?) to tcp dport map @(\w+) comment "([^"]*)"')
_MASQUERADE = re.compile(
    r"meta l4proto tcp ct status dnat ct original proto-dst (\d+)-(\d+) (ip6?) daddr \{ (.+) \} masquerade "
    r'comment "([^"]*)"'
)
_PRIORITIES = {"dstnat": -100, "srcnat": 100}
_ADDRESSES = {"ip": "ipv4_addr", "ip6": "ipv6_addr"}


class Rejected(Exception):
    """The packet filter did not take the input; the text is what its tool says."""


@dataclass(slots=True)
class Chain:
    """A base chain; ``rules``: (comment, expressions as JSON shows them)."""

    kind: str = "nat"
    hook: str = ""
    priority: int = 0
    rules: list[tuple[str, list[Any]]] = field(default_factory=list)


@dataclass(slots=True)
class Elements:
    """A map or a set: the value of each key, None in sets."""

    kind: str
    kept: dict[Any, Any] = field(default_factory=dict)

    def read(self, part: str) -> tuple[Any, Any]:
        """The key and the value of an element as it is written; of one that is to go, the key alone."""
        match self.kind, part.split():
            case "forwards", [port, ":", address, ".", inner]:
                return int(port), Target(address, int(inner))
            case (("forwards" | "bound"), [port]):
                return int(port), None
            case "admitted", [port, ".", source]:
                return (int(port), ip_network(source)), None
        raise Rejected("syntax error")

    def add(self, parts: Iterable[str]) -> None:
        for part in " ".join(parts).split(", "):
            key, new = self.read(part)
            if self.kind == "forwards" and new is None:
                raise Rejected("syntax error")
            if self.kept.get(key, new) != new or self.overlaps(key):
                raise Rejected("Could not process rule: File exists")
            self.kept[key] = new

    def delete(self, parts: Iterable[str]) -> None:
        for part in " ".join(parts).split(", "):
            if self.kept.pop(self.read(part)[0], "absent") == "absent":
                raise Rejected("Could not process rule: No such file or directory")

    def overlaps(self, key: Any) -> bool:
        """Whether a part of an interval is there already, but not the same one."""
        if self.kind != "admitted" or key in self.kept:
            return False
        return any(port == key[0] and source.overlaps(key[1]) for port, source in self.kept)


@dataclass(slots=True)
class NftTable:
    """A table with its map, its sets and its chains, in the order of their definition."""

    family: str = "ip"
    elements: dict[str, Elements] = field(default_factory=dict)
    chains: dict[str, Chain] = field(default_factory=dict)

    def copy(self) -> "NftTable":
        """Another one with the same content; chains change only while they are defined."""
        elements = {name: Elements(each.kind, dict(each.kept)) for name, each in self.elements.items()}
        return NftTable(self.family, elements, dict(self.chains))

    def kept(self, name: str) -> dict[Any, Any]:
        """What is in a map or a set."""
        return self.elements[name].kept if name in self.elements else {}

    @property
    def in_effect(self) -> Mapping[int, Translation]:
        """What is translated, by port of the gateway, and from where."""
        hooked = {chain.kind for chain in self.chains.values() if chain.hook == "prerouting" and chain.rules}
        if "nat" not in hooked:
            return {}
        bound: dict[int, set[Network]] = {port: set() for port in self.kept("bound")} if "filter" in hooked else {}
        for port, source in self.kept("admitted"):
            if port in bound:
                bound[port].add(source)
        return {
            port: Translation(target.address, target.port, frozenset(bound[port]) if port in bound else None)
            for port, target in self.kept("forwards").items()
        }


def load(tables: Mapping[str, NftTable], text: str) -> dict[str, NftTable]:
    """All tables after this file, which is one transaction; raises `Rejected`."""
    reader = _Reader({name: table.copy() for name, table in tables.items()})
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        try:
            if words:
                reader.read(words)
        except (Rejected, ValueError, KeyError) as error:
            said = error if isinstance(error, Rejected) else "syntax error"
            raise Rejected(f"/dev/stdin:{number}:1-1: Error: {said}\n{line}\n^") from error
    if reader.open:
        raise Rejected("/dev/stdin: Error: syntax error, unexpected end of file")
    return reader.tables


class _Reader:
    """Statements, one per line."""

    def __init__(self, tables: dict[str, NftTable]) -> None:
        self.tables = tables
        self.open: list[NftTable | Chain | Elements] = []
        """The blocks that stand around the line."""

    def read(self, words: list[str]) -> None:
        match self.open[-1:]:
            case []:
                self._outside(words)
            case [_] if words == ["}"]:
                self.open.pop()
            case [NftTable() as table]:
                self._in_table(table, words)
            case [Chain() as chain]:
                _in_chain(chain, words)
            case [Elements() as elements]:
                _in_elements(elements, words)

    def _outside(self, words: list[str]) -> None:
        match words:
            case ["add", "table", family, name] if family in _ADDRESSES:
                self.tables.setdefault(name, NftTable(family))
            case ["table", family, name, "{"] if family in _ADDRESSES:
                self.open.append(self.tables.setdefault(name, NftTable(family)))
            case ["delete", "table", family, name]:
                self._existing(family, name)
                del self.tables[name]
            case ["add", "element", family, name, kind, "{", *parts, "}"]:
                self._elements(family, name, kind).add(parts)
            case ["delete", "element", family, name, kind, "{", *parts, "}"]:
                self._elements(family, name, kind).delete(parts)
            case _:
                raise Rejected("syntax error")

    def _in_table(self, table: NftTable, words: list[str]) -> None:
        match words:
            case ["map", "forwards" as name, "{"] | ["set", ("bound" | "admitted") as name, "{"]:
                self.open.append(table.elements.setdefault(name, Elements(name)))
            case ["chain", name, "{"]:
                self.open.append(table.chains.setdefault(name, Chain()))
            case _:
                raise Rejected("syntax error")

    def _existing(self, family: str, name: str) -> NftTable:
        if name not in self.tables or self.tables[name].family != family:
            raise Rejected("Could not process rule: No such file or directory")
        return self.tables[name]

    def _elements(self, family: str, name: str, kind: str) -> Elements:
        elements = self._existing(family, name).elements.get(kind)
        if elements is None:
            raise Rejected("Could not process rule: No such file or directory")
        return elements


def _in_elements(elements: Elements, words: list[str]) -> None:
    match words:
        case ["type", *_] | ["flags", "interval"]:
            pass
        case ["elements", "=", "{", *parts, "}"]:
            elements.add(parts)
        case _:
            raise Rejected("syntax error")


def _in_chain(chain: Chain, words: list[str]) -> None:
    line = " ".join(words)
    match words:
        case ["type", kind, "hook", hook, "priority", base, "-", less, "policy", "accept;"]:
            chain.kind, chain.hook, chain.priority = kind, hook, _PRIORITIES[base] - int(less.removesuffix(";"))
        case _ if found := _STRANGER.fullmatch(line):
            chain.rules.append((found[2], _stranger(found[1])))
        case _ if found := _DNAT.fullmatch(line):
            chain.rules.append((found[3], _dnat(found[1], found[2])))
        case _ if found := _MASQUERADE.fullmatch(line):
            ports = int(found[1]), int(found[2])
            chain.rules.append((found[5], _masquerade(ports, found[3], found[4].split(", "))))
        case _:
            raise Rejected("syntax error")


def show(name: str, table: NftTable) -> str:
    """``nft -j list table FAMILY NAME`` of nftables 1.0.6; only the handles are made up."""
    own = {"family": table.family, "table": name}
    objects: list[dict[str, Any]] = [
        {"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}},
        {"table": {"family": table.family, "name": name, "handle": 1}},
    ]
    objects += [_shown_elements(name, table.family, each) for each in table.elements.values()]
    for chain_name, chain in table.chains.items():
        about = {"type": chain.kind, "hook": chain.hook, "prio": chain.priority, "policy": "accept"}
        objects.append({"chain": {**own, "name": chain_name, "handle": 1, **about}})
    for chain_name, chain in table.chains.items():
        for comment, expressions in chain.rules:
            objects.append({"rule": {**own, "chain": chain_name, "handle": 1, "comment": comment, "expr": expressions}})
    return json.dumps({"nftables": objects})


def _shown_elements(table: str, family: str, elements: Elements) -> dict[str, Any]:
    address = _ADDRESSES[family]
    about: dict[str, Any] = {"family": family, "name": elements.kind, "table": table}
    if elements.kind == "forwards":
        shown: list[Any] = [[port, {"concat": list(target)}] for port, target in sorted(elements.kept.items())]
        about |= {"type": "inet_service", "handle": 1, "map": f"{address} . inet_service"}
    elif elements.kind == "bound":
        shown = sorted(elements.kept)
        about |= {"type": "inet_service", "handle": 1}
    else:
        shown = [{"concat": [port, _network(source)]} for port, source in elements.kept]
        about |= {"type": ["inet_service", address], "handle": 1, "flags": ["interval"]}
    return {"map" if elements.kind == "forwards" else "set": {**about, **({"elem": shown} if shown else {})}}


_LOCAL = {"fib": {"result": "type", "flags": ["daddr"]}}
_PORT = {"payload": {"protocol": "tcp", "field": "dport"}}


def _stranger(family: str) -> list[Any]:
    source = {"payload": {"protocol": family, "field": "saddr"}}
    return [
        _match("!=", {"ct": {"key": "state"}}, "established"),
        _match("==", _LOCAL, "local"),
        _match("==", _PORT, "@bound"),
        _match("!=", {"concat": [_PORT, source]}, "@admitted"),
        {"drop": None},
    ]


def _dnat(family: str, name: str) -> list[Any]:
    return [
        _match("==", _LOCAL, "local"),
        {"dnat": {"family": family, "addr": {"map": {"key": _PORT, "data": f"@{name}"}}}},
    ]


def _masquerade(ports: tuple[int, int], family: str, networks: Iterable[str]) -> list[Any]:
    shown = [_network(ip_network(network)) for network in networks]
    return [
        _match("==", {"meta": {"key": "l4proto"}}, "tcp"),
        _match("in", {"ct": {"key": "status"}}, "dnat"),
        _match("==", {"ct": {"key": "proto-dst", "dir": "original"}}, {"range": list(ports)}),
        _match(
            "==", {"payload": {"protocol": family, "field": "daddr"}}, shown[0] if len(shown) == 1 else {"set": shown}
        ),
        {"masquerade": None},
    ]


def _network(network: Network) -> Any:
    address = str(network.network_address)
    return (
        address
        if network.prefixlen == network.max_prefixlen
        else {"prefix": {"addr": address, "len": network.prefixlen}}
    )


def _match(operator: str, left: Any, right: Any) -> Any:
    return {"match": {"op": operator, "left": left, "right": right}}
