"""Packet filters of a few lines: what they do with the text that the drivers render, and what they list then."""

from collections import Counter
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Protocol

from keyhole.nat.model import Frame, Listing
from tests.simulation.gateway_nft import NftTable, Rejected, load, show

__all__ = ["FRAME", "NOTHING", "Filter", "IptablesModel", "NftModel", "Rejected"]

FRAME = Frame("abc123", 50000, 50200, (IPv4Network("10.77.0.0/24"), IPv4Network("10.79.0.0/24")))
NOTHING = Listing(True, None, "", "")


class Filter(Protocol):
    """What a gateway's packet filter does with rendered text."""

    def load(self, text: str) -> None: ...

    def listing(self) -> Listing: ...


@dataclass
class IptablesModel:
    """``iptables-restore --noflush``: each table one transaction; ``-D`` of an absent rule fails it."""

    chains: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for table, chain in (("nat", "PREROUTING"), ("nat", "POSTROUTING"), ("filter", "FORWARD"), ("filter", "INPUT")):
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


class NftModel:
    """``nft -f``, as the simulated gateway reads it, and what a person does to our table."""

    def __init__(self) -> None:
        self.tables: dict[str, NftTable] = {}
        self.strangers = 0

    def load(self, text: str) -> None:
        self.tables = load(self.tables, text)

    def listing(self) -> Listing:
        table = self.tables.get(FRAME.name)
        return NOTHING if table is None else Listing(True, show(FRAME.name, table), "", "")

    def foreign(self) -> int:
        return self.strangers

    def add_foreign(self, _: str) -> None:
        self.strangers += 1

    def vandalise(self, index: int) -> None:
        table = self.tables.get(FRAME.name)
        if table is None:
            return
        kept = [(each.kept, key) for each in table.elements.values() for key in each.kept]
        if kept and index % 2:
            elements, key = kept[index % len(kept)]
            del elements[key]
        elif chains := [chain for chain in table.chains.values() if chain.rules]:
            chains[index % len(chains)].rules.pop()
