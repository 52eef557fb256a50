"""A token bucket for each key, in bounded memory.  Pure; the (monotonic) clock is an argument."""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address, ip_network


def source_of(host: str) -> str:
    """An asker's address; of IPv6 the network of 64 bits, all of which one machine may have; empty: not known."""
    try:
        address = ip_address(host)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((address, 64), strict=False))
    return str(address)


class Buckets:
    """Lets each key act ``burst`` times at once and ``per_second`` times on average.

    Remembers the ``keys`` most recently seen ones only: whoever floods it with new keys gains fresh buckets for
    them, never memory.
    """

    def __init__(self, burst: int, per_second: float, keys: int = 10_000) -> None:
        self._burst = burst
        self._per_second = per_second
        self._keys = keys
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, key: str, now: float) -> float:
        """Take a token at ``now``; answers 0.0, or where none is left the seconds until the next one."""
        level, since = self._levels.pop(key, (float(self._burst), now))
        level = min(self._burst, level + (now - since) * self._per_second)
        allowed = level >= 1
        self._levels[key] = (level - allowed, now)
        if len(self._levels) > self._keys:
            self._levels.popitem(last=False)
        return 0.0 if allowed else (1 - level) / self._per_second
