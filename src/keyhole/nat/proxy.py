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

from keyhole.nat.model import Actual, Backend, Change, Frame, Listing, Table, Translation, checked

_ENTRY = re.compile(
    r"0x[0-9a-f]+ (?P<name>[a-z0-9.-]+) (?P<external>[0-9]{1,5})/(?P<address>[0-9a-f.:]+)/(?P<port>[0-9]{1,5})"
)
_NAME = re.compile(r"[a-z0-9.-]{1,253}")


class Proxy:
    """Driver for HAProxy's runtime API (tested with 2.6)."""

    backend: Backend = "proxy"

    def parse(self, listing: Listing, frame: Frame) -> Actual:
        """Read ``show map``; an entry of the map that is not understood, or is there twice, makes it not intact."""
        if listing.proxy is None:
            return Actual()
        lines = [line for line in listing.proxy.split("\n") if line]
        entries = [found for found in (_entry(line, frame) for line in lines) if found]
        forwards = dict(entries)
        names = {_key(port, way) for port, way in entries}
        intact = len(lines) == len(entries) == len(forwards) == len(names)
        return Actual(forwards, intact=intact, present=bool(lines))

    def render(self, frame: Frame, desired: Table, change: Change, actual: Actual) -> str:
        """Input of the text that loads it."""
        if change.whole:
            return "\n".join(["=", *_lines("+", desired, frame)])
        expected = f"? {len(actual.forwards)}"
        return "\n".join([expected, *_lines("-", change.remove, frame), *_lines("+", change.add, frame)])

    def render_removal(self, frame: Frame, actual: Actual) -> str:
        """An empty map."""
        del frame
        return "=" if actual.present else ""


def _lines(sign: str, table: Table, frame: Frame) -> Iterator[str]:
    for port, way in checked(table, frame.family).items():
        yield f"{sign}{_key(port, way)} {port}/{way.address}/{way.port}"


def _key(port: int, way: Translation) -> str:
    """A forward without a name keeps its place under its number, which is no name that anybody could ask for."""
    if way.name and not _NAME.fullmatch(way.name):
        raise ValueError(f"not a host name: {way.name!r}")
    return way.name or str(port)


def _entry(line: str, frame: Frame) -> tuple[int, Translation] | None:
    """One line of ``show map``; None: none that we would have made."""
    match = _ENTRY.fullmatch(line)
    if match is None:
        return None
    external, name = int(match["external"]), match["name"]
    way = Translation(match["address"], int(match["port"]), name="" if name == match["external"] else name)
    try:
        checked({external: way}, frame.family)
    except ValueError:
        return None
    return external, way
