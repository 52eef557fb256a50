"""Packet filters of a few lines: what they do with the text that the drivers render, and what they list then."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Protocol

from keyhole.nat.model import Frame, Listing, Target

FRAME = Frame("abc123", 50000, 50200, (IPv4Network("10.77.0.0/24"), IPv4Network("10.79.0.0/24")))
NOTHING = Listing(True, None, "", "")


class Rejected(Exception):
    """A transaction that fails as a whole."""


class Filter(Protocol):
    """What a gateway's packet filter does with rendered text."""

    def load(self, text: str) -> None: ...

    def listing(self) -> Listing: ...


@dataclass
class IptablesModel:
    """``iptables-restore --noflush``: each table one transaction; ``-D`` of an absent rule fails it."""

    chains: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for table, chain in (("nat", "PREROUTING"), ("nat", "POSTROUTING"), ("filter", "FORWARD")):
            self.chains.setdefault((table, chain), [])

    def load(self, text: str) -> None:
        table, draft = "", self._copy()
        for line in text.split("\n"):
            if line.startswith("*"):
                table, draft = line[1:], self._copy()
            elif line == "COMMIT":
                self.chains = draft
            else:
                self._apply(draft, table, line)

    def _copy(self) -> dict[tuple[str, str], list[str]]:
        return {key: list(rules) for key, rules in self.chains.items()}

    def _apply(self, draft: dict[tuple[str, str], list[str]], table: str, line: str) -> None:
        word, name, *rest = line.split(" ", 2)
        rule = rest[0] if rest else ""
        if word.startswith(":"):
            draft[table, word[1:]] = []
            return
        rules = draft.get((table, name))
        if rules is None or (word == "-D" and rule not in rules):
            raise Rejected(line)
        match word:
            case "-A":
                rules.append(rule)
            case "-I":
                rules.insert(0, rule.removeprefix("1 "))
            case "-D":
                rules.remove(rule)
            case "-F":
                rules.clear()
            case "-X":
                assert not rules, "only an empty chain can be deleted"
                del draft[table, name]
            case _:
                raise AssertionError(f"not for iptables-restore: {line}")

    def listing(self) -> Listing:
        return Listing(False, None, self._table("nat"), self._table("filter"))

    def _table(self, table: str) -> str:
        own = {name: rules for (where, name), rules in self.chains.items() if where == table}
        heads = [f":{name} {'ACCEPT' if name.isupper() else '-'} [0:0]" for name in own]
        body = [f"-A {name} {rule}" for name, rules in own.items() for rule in rules]
        return "\n".join([f"*{table}", *heads, *body, "COMMIT", ""])

    def foreign(self) -> Counter[tuple[str, str, str]]:
        """All that is not ours, wherever it stands."""
        found = ((table, name, rule) for (table, name), rules in self.chains.items() for rule in rules)
        return Counter(each for each in found if FRAME.name not in each[1] + each[2])

    def add_foreign(self, line: str) -> None:
        _, chain, rule = line.split(" ", 2)
        self.chains.setdefault(("nat", chain), []).insert(0, rule)

    def vandalise(self, index: int) -> None:
        """Remove one rule or chain, as a person or another tool might."""
        places = [(key, n) for key, rules in self.chains.items() for n in range(len(rules)) if _is_ours(key, rules[n])]
        if places:
            key, n = places[index % len(places)]
            del self.chains[key][n]


def _is_ours(key: tuple[str, str], rule: str) -> bool:
    return FRAME.name in key[1] + rule


@dataclass
class NftModel:
    """``nft -f``: one transaction; adding another value for a present key and deleting an absent one fail it."""

    rules: list[tuple[str, str]] | None = None
    """(chain, comment) of our table; None: no table."""
    elements: dict[int, Target] = field(default_factory=dict)
    strangers: int = 0

    def load(self, text: str) -> None:
        if text.startswith("add table"):
            assert text.split("\n")[:2] == [f"add table ip {FRAME.name}", f"delete table ip {FRAME.name}"]
            self.rules = re.findall(r'^  chain (\w+)|comment "(\S+)"', text, re.MULTILINE)
            named = iter(self.rules)
            self.rules = [(chain, next(named)[1]) for chain, _ in named]
            self.elements = self._read(text)
        elif text == f"delete table ip {FRAME.name}":
            self.rules, self.elements = None, {}
        else:
            self.elements = self._changed(text.split("\n"))

    def _changed(self, lines: list[str]) -> dict[int, Target]:
        draft = dict(self.elements)
        for line in filter(None, lines):
            verb, body = re.fullmatch(rf"(add|delete) element ip {FRAME.name} forwards (.*)", line).groups()  # type: ignore[union-attr]
            if self.rules is None:
                raise Rejected(line)
            if verb == "add":
                new = self._read(body)
                if any(draft.get(port, target) != target for port, target in new.items()):
                    raise Rejected(line)
                draft |= new
            else:
                gone = [int(port) for port in re.findall(r"\d+", body)]
                if set(gone) - set(draft):
                    raise Rejected(line)
                draft = {port: target for port, target in draft.items() if port not in gone}
        return draft

    @staticmethod
    def _read(text: str) -> dict[int, Target]:
        found = re.findall(r"(\d+) : ([\d.]+) \. (\d+)", text)
        return {int(port): Target(address, int(inner)) for port, address, inner in found}

    def listing(self) -> Listing:
        if self.rules is None:
            return NOTHING
        elements = [[port, {"concat": [to.address, to.port]}] for port, to in self.elements.items()]
        objects: list[dict[str, object]] = [{"metainfo": {"version": "1.0.6"}}, {"table": {"name": FRAME.name}}]
        objects += [{"map": {"name": "forwards"} | ({"elem": elements} if elements else {})}]
        hooks = (("pre", "prerouting"), ("post", "postrouting"))
        objects += [{"chain": {"name": name, "type": "nat", "hook": hook}} for name, hook in hooks]
        objects += [{"rule": {"chain": chain, "comment": comment}} for chain, comment in self.rules]
        return Listing(True, json.dumps({"nftables": objects}), "", "")

    def foreign(self) -> int:
        return self.strangers

    def add_foreign(self, _: str) -> None:
        self.strangers += 1

    def vandalise(self, index: int) -> None:
        if self.elements and index % 2:
            del self.elements[sorted(self.elements)[index % len(self.elements)]]
        elif self.rules:
            del self.rules[index % len(self.rules)]
