"""nftables: one table per installation with one map, replaced or changed atomically by ``nft -f``.

The looked-up map makes a connection through the last of 10,000 forwards as cheap as through the first; single
elements are added and removed at a cost that does not depend on their number.  Hooks lie just before the conventional
``dstnat`` and ``srcnat`` priorities, so that a site's own translations of other ports work as before.

Review notes: ``add table`` + ``delete table`` in front of the definition replaces a table that may or may not exist
within one transaction.  ``add element`` of a present key with another value, and ``delete element`` of an absent key,
fail the whole file: that is how a change against an outdated picture is noticed.  An own table cannot overrule a
FORWARD chain that drops by policy elsewhere: the doctor names the line that a site must add there.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from keyhole.nat.model import Actual, Backend, Change, Frame, Listing, Table, Target, checked

_HOOKS = {"pre": ("nat", "prerouting"), "post": ("nat", "postrouting")}


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
        gone = _elements(str(port) for port in change.remove)
        new = _elements(_element(port, target) for port, target in checked(change.add).items())
        lines = [f"delete element ip {frame.name} forwards {gone}"] if change.remove else []
        return "\n".join([*lines, *([f"add element ip {frame.name} forwards {new}"] if change.add else [])])

    def render_removal(self, frame: Frame, actual: Actual) -> str:
        """A file for ``nft -f`` that leaves nothing of ours."""
        return f"delete table ip {frame.name}" if actual.present else ""


def _whole(frame: Frame, desired: Table) -> str:
    elements = _elements(_element(port, target) for port, target in checked(desired).items())
    networks = _elements(map(str, frame.networks))
    masquerade = (
        f"meta l4proto tcp ct status dnat ct original proto-dst {frame.first_port}-{frame.last_port} "
        f'ip daddr {networks} masquerade comment "{frame.mark}"'
    )
    return f"""\
add table ip {frame.name}
delete table ip {frame.name}
table ip {frame.name} {{
  map forwards {{
    type inet_service : ipv4_addr . inet_service
    {f"elements = {elements}" if desired else ""}
  }}
  chain pre {{
    type nat hook prerouting priority dstnat - 5; policy accept;
    fib daddr type local dnat ip to tcp dport map @forwards comment "{frame.mark}"
  }}
  chain post {{
    type nat hook postrouting priority srcnat - 5; policy accept;
    {masquerade if frame.networks else ""}
  }}
}}"""


def _element(port: int, target: Target) -> str:
    return f"{port} : {target.address} . {target.port}"


def _elements(parts: Iterable[str]) -> str:
    return f"{{ {', '.join(parts)} }}"


def _actual(objects: list[Mapping[str, Any]], frame: Frame) -> Actual:
    """From the objects of ``nft -j`` (libnftables-json(5)); raises KeyError and the like on an unknown shape."""
    chains = {entry["chain"]["name"]: entry["chain"] for entry in objects if "chain" in entry}
    rules = [entry["rule"] for entry in objects if "rule" in entry]
    maps = [entry["map"] for entry in objects if "map" in entry]
    expected = [("pre", frame.mark)] + ([("post", frame.mark)] if frame.networks else [])
    hooked = {name: (chain.get("type"), chain.get("hook")) for name, chain in chains.items()} == _HOOKS
    marked = sorted((rule["chain"], str(rule.get("comment"))) for rule in rules) == sorted(expected)
    elements = maps[0].get("elem", []) if maps else []
    forwards = {int(port): Target(str(to["concat"][0]), int(to["concat"][1])) for port, to in elements}
    return Actual(checked(forwards), intact=hooked and marked and len(maps) == 1, present=True)
