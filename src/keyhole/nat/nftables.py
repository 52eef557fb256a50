"""nftables: one table per installation with one map and two sets, replaced or changed atomically by ``nft -f``.

The looked-up map makes a connection through the last of 10,000 forwards as cheap as through the first; single
elements are added and removed at a cost that does not depend on their number.  Hooks lie just before the conventional
``dstnat`` and ``srcnat`` priorities, so that a site's own translations of other ports work as before.

Who may enter is decided before the map is asked, by a chain of type filter, since chains of type nat see the first
packet of a flow only.  It drops what belongs to no established flow, comes to a port of ``bound`` and from an address
that ``admitted`` does not hold for it.  What conntrack would pick up in the middle of a flow that was cut
(``nf_conntrack_tcp_loose``), and what it calls invalid, is no established flow.

Review notes: ``add table`` + ``delete table`` in front of the definition replaces a table that may or may not exist
within one transaction.  ``add element`` of a present key with another value, and ``delete element`` of an absent key,
fail the whole file: that is how a change against an outdated picture is noticed.  An own table cannot overrule a
FORWARD chain that drops by policy elsewhere: the doctor names the line that a site must add there.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from keyhole.domain import Network, network
from keyhole.nat.model import Actual, Backend, Change, Frame, Listing, Table, Translation, checked

_HOOKS = {"admit": ("filter", "prerouting"), "pre": ("nat", "prerouting"), "post": ("nat", "postrouting")}
_KINDS = ("forwards", "bound", "admitted")
"""The map and the sets."""


class Nftables:
    """Driver for nftables (tested with 1.0.6)."""

    backend: Backend = "nftables"

    def parse(self, listing: Listing, frame: Frame) -> Actual:
        """Read ``nft -j list table``; what cannot be read counts as present but not intact."""
        if listing.nft is None:
            return Actual()
        try:
            return _actual(json.loads(listing.nft)["nftables"], frame)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
            return Actual(present=True)

    def render(self, frame: Frame, desired: Table, change: Change, actual: Actual) -> str:
        """A file for ``nft -f``."""
        del actual
        if change.whole:
            return _whole(frame, desired)
        old, new = (_content(checked(table, frame.family)) for table in (change.remove, change.add))
        # A key can be told that it is to go only without its value.
        gone = {kind: [each.partition(" : ")[0] for each in old[kind] if each not in new[kind]] for kind in _KINDS}
        come = {kind: [each for each in new[kind] if each not in old[kind]] for kind in _KINDS}
        return "\n".join(
            f"{verb} element {frame.table} {kind} {_elements(parts)}"
            for verb, kinds in (("delete", gone), ("add", come))
            for kind, parts in kinds.items()
            if parts
        )

    def render_removal(self, frame: Frame, actual: Actual) -> str:
        """A file for ``nft -f`` that leaves nothing of ours."""
        return f"delete table {frame.table}" if actual.present else ""


def _whole(frame: Frame, desired: Table) -> str:
    ip = frame.table.partition(" ")[0]
    forwards, bound, admitted = (
        f"elements = {_elements(parts)}" if parts else "" for parts in _content(checked(desired, frame.family)).values()
    )
    masquerade = (
        f"meta l4proto tcp ct status dnat ct original proto-dst {frame.first_port}-{frame.last_port} "
        f'{ip} daddr {_elements(map(str, frame.networks))} masquerade comment "{frame.mark}"'
    )
    stranger = f"tcp dport @bound tcp dport . {ip} saddr != @admitted"
    return f"""\
add table {frame.table}
delete table {frame.table}
table {frame.table} {{
  map forwards {{
    type inet_service : ipv{frame.family}_addr . inet_service
    {forwards}
  }}
  set bound {{
    type inet_service
    {bound}
  }}
  set admitted {{
    type inet_service . ipv{frame.family}_addr
    flags interval
    {admitted}
  }}
  chain admit {{
    type filter hook prerouting priority dstnat - 6; policy accept;
    ct state != established fib daddr type local {stranger} drop comment "{frame.mark}"
  }}
  chain pre {{
    type nat hook prerouting priority dstnat - 5; policy accept;
    fib daddr type local dnat {ip} to tcp dport map @forwards comment "{frame.mark}"
  }}
  chain post {{
    type nat hook postrouting priority srcnat - 5; policy accept;
    {masquerade if frame.networks else ""}
  }}
}}"""


def _content(table: Table) -> dict[str, dict[str, None]]:
    """The elements of the map and the sets, in order, each once."""
    bound = {port: way.sources for port, way in table.items() if way.sources is not None}
    return {
        "forwards": {f"{port} : {way.address} . {way.port}": None for port, way in table.items()},
        "bound": {str(port): None for port in bound},
        "admitted": {f"{port} . {each}": None for port, sources in bound.items() for each in sorted(sources, key=str)},
    }


def _elements(parts: Iterable[str]) -> str:
    return f"{{ {', '.join(parts)} }}"


def _actual(objects: list[Mapping[str, Any]], frame: Frame) -> Actual:
    """From the objects of ``nft -j`` (libnftables-json(5)); raises KeyError and the like on an unknown shape."""
    chains = {entry["chain"]["name"]: entry["chain"] for entry in objects if "chain" in entry}
    rules = [entry["rule"] for entry in objects if "rule" in entry]
    maps = [entry["map"] for entry in objects if "map" in entry]
    sets = {entry["set"]["name"]: entry["set"].get("elem", []) for entry in objects if "set" in entry}
    expected = [(name, frame.mark) for name in _HOOKS if name != "post" or frame.networks]
    hooked = {name: (chain.get("type"), chain.get("hook")) for name, chain in chains.items()} == _HOOKS
    marked = sorted((rule["chain"], str(rule.get("comment"))) for rule in rules) == sorted(expected)
    bound: dict[int, set[Network]] = {int(port): set() for port in sets.get("bound", [])}
    for element in sets.get("admitted", []):
        port, source = element["concat"]
        bound[int(port)].add(_source(source))
    forwards = {
        int(port): Translation(
            str(to["concat"][0]),
            int(to["concat"][1]),
            frozenset(bound[int(port)]) if int(port) in bound else None,
        )
        for port, to in (maps[0].get("elem", []) if maps else [])
    }
    whole = len(maps) == 1 and sets.keys() == {"bound", "admitted"} and bound.keys() <= forwards.keys()
    return Actual(checked(forwards, frame.family), intact=hooked and marked and whole, present=True)


def _source(shown: Any) -> Network:
    """A network as it is printed; raises KeyError, TypeError or ValueError for a range that is none."""
    if isinstance(shown, str):
        return network(shown)
    return network(f"{shown['prefix']['addr']}/{int(shown['prefix']['len'])}")
