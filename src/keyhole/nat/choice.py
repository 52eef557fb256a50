"""Which packet filter, or which proxy, serves a gateway."""

from collections.abc import Mapping, Sequence

from keyhole.domain import Choice
from keyhole.nat.iptables import Iptables
from keyhole.nat.model import Backend, Driver, Listing
from keyhole.nat.nftables import Nftables
from keyhole.nat.proxy import Proxy

DRIVERS: Mapping[Backend, Driver] = {"nftables": Nftables(), "iptables": Iptables(), "proxy": Proxy()}


def choose(setting: Choice, listing: Listing) -> Driver:
    """The driver that the settings name; ``auto``: nftables wherever ``nft`` works."""
    if setting == "auto":
        return DRIVERS["nftables" if listing.nft_works else "iptables"]
    return DRIVERS[setting]


def listed(driver: Driver, listing: Listing) -> bool:
    """Whether all was read that ``driver`` goes by: what it could not look at, it must neither load nor confirm."""
    if driver.backend == "nftables":
        return listing.nft_works
    if driver.backend == "proxy":
        return listing.proxy is not None
    return listing.nat is not None and listing.filter is not None


def others(driver: Driver) -> Sequence[Driver]:
    """The drivers whose left-over objects must go when this one serves."""
    return [each for backend, each in DRIVERS.items() if backend != driver.backend]
