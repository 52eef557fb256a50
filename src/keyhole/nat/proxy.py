"""HAProxy in a packet filter's place: one map per installation, exchanged as a whole in one transaction.

Users reach all forwards at one port, each under a host name of its own; the external port is then only a number that
names the way and is never opened.  HAProxy's configuration is the administrator's and does not change
(`keyhole.proxy_config`): it looks the host name up in the map ``bwv-<installation>.map``, whose values are
``external port/address/port``.  Nothing else of HAProxy is ours.

Review notes: the input says how many entries must be there (``?``), which must go (``-``) and which come (``+``), or
everything anew (``=``).  The text on the gateway makes the wanted map of it, loads that as a new version, compares
what HAProxy took with it, and only then commits (`keyhole.proxy_scripts`).  A change against an outdated picture is
refused there.
HAProxy keeps its map in memory: after a restart it is empty, which is seen as drift and mended by the next look.
"""

import re
from collections.abc import Iterator

from keyhole.nat.model import Actual, Backend, Change, Frame, Listing, Table, Target, checked

_ENTRY = re.compile(
    r"0x[0-9a-f]+ (?P<name>[a-z0-9.-]+) (?P<external>[0-9]{1,5})/(?P<address>[0-9.]+)/(?P<port>[0-9]{1,5})"
)
_NAME = re.compile(r"[a-z0-9.-]{1,253}")


class Proxy:
    """Driver for HAProxy's runtime API (tested with 2.6)."""

    backend: Backend = "proxy"

    def parse(self, listing: Listing, frame: Frame) -> Actual:
        """Read ``show map``; an entry of the map that is not understood, or is there twice, makes it not intact."""
        del frame
        if listing.proxy is None:
            return Actual()
        lines = [line for line in listing.proxy.split("\n") if line]
        entries = [found for found in map(_entry, lines) if found]
        forwards = dict(entries)
        names = {_key(port, target) for port, target in entries}
        intact = len(lines) == len(entries) == len(forwards) == len(names)
        return Actual(forwards, intact=intact, present=bool(lines))

    def render(self, frame: Frame, desired: Table, change: Change, actual: Actual) -> str:
        """Input of the text that loads it."""
        del frame
        if change.whole:
            return "\n".join(["=", *_lines("+", desired)])
        expected = f"? {len(actual.forwards)}"
        return "\n".join([expected, *_lines("-", change.remove), *_lines("+", change.add)])

    def render_removal(self, frame: Frame, actual: Actual) -> str:
        """An empty map."""
        del frame
        return "=" if actual.present else ""


def _lines(sign: str, table: Table) -> Iterator[str]:
    for port, target in checked(table).items():
        yield f"{sign}{_key(port, target)} {port}/{target.address}/{target.port}"


def _key(port: int, target: Target) -> str:
    """A forward without a name keeps its place under its number, which is no name that anybody could ask for."""
    if target.name and not _NAME.fullmatch(target.name):
        raise ValueError(f"not a host name: {target.name!r}")
    return target.name or str(port)


def _entry(line: str) -> tuple[int, Target] | None:
    """One line of ``show map``; None: none that we would have made."""
    match = _ENTRY.fullmatch(line)
    if match is None:
        return None
    external, name = int(match["external"]), match["name"]
    target = Target(match["address"], int(match["port"]), "" if name == match["external"] else name)
    try:
        checked({external: target})
    except ValueError:
        return None
    return external, target
