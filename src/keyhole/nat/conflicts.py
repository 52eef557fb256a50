"""Foreign rules that translate ports of our block: reported and avoided, never touched."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from keyhole.nat.model import Frame, Listing

_PORTS = r"[0-9]{1,5}(?::[0-9]{1,5})?"
_TRANSLATES = re.compile(rf"-A (?P<chain>\S+) .*--dports? (?P<ports>{_PORTS}(?:,{_PORTS})*) .*-j (?:DNAT|REDIRECT)\b")


class Conflict(NamedTuple):
    """A foreign rule that translates the ports from ``first_port`` to ``last_port`` of our block."""

    first_port: int
    last_port: int
    rule: str


def conflicts(listing: Listing, frame: Frame) -> Iterator[Conflict]:
    """From the ``nat`` table as iptables shows it; rules that other tools keep in nftables are not seen.

    None of a listing without that table says nothing: see `Listing.blind`.
    """
    own = f"-A {frame.name}-"
    for line in (listing.nat or "").split("\n"):
        match = None if line.startswith(own) else _TRANSLATES.match(line)
        for part in match["ports"].split(",") if match else ():
            first, _, last = part.partition(":")
            low, high = max(int(first), frame.first_port), min(int(last or first), frame.last_port)
            if low <= high:
                yield Conflict(low, high, line)
