"""nftables, as far as our driver goes: read as ``nft -f`` reads it, shown as ``nft -j list table`` shows it."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

from keyhole.nat.model import Target

_DNAT = re.compile(r'fib daddr type local dnat ip to tcp dport map @(\w+) comment "([^"]*)"')
_MASQUERADE = re.compile(
    r"meta l4proto tcp ct status dnat ct original proto-dst (\d+)-(\d+) ip daddr \{ (.+) \} masquerade "
    r'comment "([^"]*)"'
)
_PRIORITIES = {"dstnat": -100, "srcnat": 100}


class Rejected(Exception):
    """The packet filter did not take the input; the text is what its tool says."""


@dataclass(slots=True)
class Chain:
    """A base chain; ``rules``: (comment, expressions as JSON shows them)."""

    hook: str = ""
    priority: int = 0
    rules: list[tuple[str, list[Any]]] = field(default_factory=list)


@dataclass(slots=True)
class NftTable:
    """A table of family ``ip`` with at most one map."""

    forwards: dict[int, Target] | None = None
    chains: dict[str, Chain] = field(default_factory=dict)

    def copy(self) -> "NftTable":
        """Another one with the same content; chains change only while they are defined."""
        return NftTable(None if self.forwards is None else dict(self.forwards), dict(self.chains))

    @property
    def in_effect(self) -> Mapping[int, Target]:
        """What is translated: port of the gateway -> target."""
        hooked = any(chain.hook == "prerouting" and chain.rules for chain in self.chains.values())
        return self.forwards if hooked and self.forwards else {}


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
        self.open: list[NftTable | Chain | dict[int, Target]] = []
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
            case [dict() as elements]:
                _in_map(elements, words)

    def _outside(self, words: list[str]) -> None:
        match words:
            case ["add", "table", "ip", name]:
                self.tables.setdefault(name, NftTable())
            case ["table", "ip", name, "{"]:
                self.open.append(self.tables.setdefault(name, NftTable()))
            case ["delete", "table", "ip", name]:
                self._existing(name)
                del self.tables[name]
            case ["add", "element", "ip", name, "forwards", "{", *parts, "}"]:
                _add(self._map(name), parts)
            case ["delete", "element", "ip", name, "forwards", "{", *parts, "}"]:
                _delete(self._map(name), parts)
            case _:
                raise Rejected("syntax error")

    def _in_table(self, table: NftTable, words: list[str]) -> None:
        match words:
            case ["map", "forwards", "{"]:
                table.forwards = table.forwards or {}
                self.open.append(table.forwards)
            case ["chain", name, "{"]:
                self.open.append(table.chains.setdefault(name, Chain()))
            case _:
                raise Rejected("syntax error")

    def _existing(self, name: str) -> NftTable:
        if name not in self.tables:
            raise Rejected("Could not process rule: No such file or directory")
        return self.tables[name]

    def _map(self, name: str) -> dict[int, Target]:
        forwards = self._existing(name).forwards
        if forwards is None:
            raise Rejected("Could not process rule: No such file or directory")
        return forwards


def _in_map(elements: dict[int, Target], words: list[str]) -> None:
    match words:
        case ["type", "inet_service", ":", "ipv4_addr", ".", "inet_service"]:
            pass
        case ["elements", "=", "{", *parts, "}"]:
            _add(elements, parts)
        case _:
            raise Rejected("syntax error")


def _in_chain(chain: Chain, words: list[str]) -> None:
    line = " ".join(words)
    match words:
        case ["type", "nat", "hook", hook, "priority", base, "-", less, "policy", "accept;"]:
            chain.hook, chain.priority = hook, _PRIORITIES[base] - int(less.removesuffix(";"))
        case _ if found := _DNAT.fullmatch(line):
            chain.rules.append((found[2], _dnat(found[1])))
        case _ if found := _MASQUERADE.fullmatch(line):
            chain.rules.append((found[4], _masquerade(int(found[1]), int(found[2]), found[3].split(", "))))
        case _:
            raise Rejected("syntax error")


def _add(elements: dict[int, Target], parts: Iterable[str]) -> None:
    for part in " ".join(parts).split(", "):
        match part.split():
            case [port, ":", address, ".", inner]:
                new = Target(address, int(inner))
            case _:
                raise Rejected("syntax error")
        if elements.setdefault(int(port), new) != new:
            raise Rejected("Could not process rule: File exists")


def _delete(elements: dict[int, Target], parts: Iterable[str]) -> None:
    for part in " ".join(parts).split(", "):
        if elements.pop(int(part), None) is None:
            raise Rejected("Could not process rule: No such file or directory")


def show(name: str, table: NftTable) -> str:
    """``nft -j list table ip NAME`` of nftables 1.0.6; only the handles are made up."""
    own = {"family": "ip", "table": name}
    objects: list[dict[str, Any]] = [
        {"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}},
        {"table": {"family": "ip", "name": name, "handle": 1}},
    ]
    if table.forwards is not None:
        objects.append({"map": _shown_map(name, table.forwards)})
    for chain_name, chain in table.chains.items():
        about = {"type": "nat", "hook": chain.hook, "prio": chain.priority, "policy": "accept"}
        objects.append({"chain": {**own, "name": chain_name, "handle": 1, **about}})
    for chain_name, chain in table.chains.items():
        for comment, expressions in chain.rules:
            objects.append({"rule": {**own, "chain": chain_name, "handle": 1, "comment": comment, "expr": expressions}})
    return json.dumps({"nftables": objects})


def _shown_map(table: str, forwards: Mapping[int, Target]) -> dict[str, Any]:
    elements = [[port, {"concat": list(target[:2])}] for port, target in sorted(forwards.items())]
    return {
        "family": "ip",
        "name": "forwards",
        "table": table,
        "type": "inet_service",
        "handle": 1,
        "map": "ipv4_addr . inet_service",
        **({"elem": elements} if elements else {}),
    }


def _dnat(name: str) -> list[Any]:
    key = {"payload": {"protocol": "tcp", "field": "dport"}}
    return [
        _match("==", {"fib": {"result": "type", "flags": ["daddr"]}}, "local"),
        {"dnat": {"family": "ip", "addr": {"map": {"key": key, "data": f"@{name}"}}}},
    ]


def _masquerade(first: int, last: int, networks: Iterable[str]) -> list[Any]:
    shown = [_network(IPv4Network(network)) for network in networks]
    return [
        _match("==", {"meta": {"key": "l4proto"}}, "tcp"),
        _match("in", {"ct": {"key": "status"}}, "dnat"),
        _match("==", {"ct": {"key": "proto-dst", "dir": "original"}}, {"range": [first, last]}),
        _match(
            "==", {"payload": {"protocol": "ip", "field": "daddr"}}, shown[0] if len(shown) == 1 else {"set": shown}
        ),
        {"masquerade": None},
    ]


def _network(network: IPv4Network) -> Any:
    address = str(network.network_address)
    return address if network.prefixlen == 32 else {"prefix": {"addr": address, "len": network.prefixlen}}


def _match(operator: str, left: Any, right: Any) -> Any:
    return {"match": {"op": operator, "left": left, "right": right}}
