"""Which packet filter serves a gateway."""

from collections.abc import Mapping
from typing import Literal

from keyhole.nat.iptables import Iptables
from keyhole.nat.model import Backend, Driver, Listing
from keyhole.nat.nftables import Nftables

DRIVERS: Mapping[Backend, Driver] = {"nftables": Nftables(), "iptables": Iptables()}


def choose(setting: Literal["auto", "nftables", "iptables"], listing: Listing) -> Driver:
    """The driver that the settings name; ``auto``: nftables wherever ``nft`` works."""
    if setting == "auto":
        return DRIVERS["nftables" if listing.nft_works else "iptables"]
    return DRIVERS[setting]


def listed(driver: Driver, listing: Listing) -> bool:
    """Whether all was read that ``driver`` goes by: what it could not look at, it must neither load nor confirm."""
    if driver.backend == "nftables":
        return listing.nft_works
    return listing.nat is not None and listing.filter is not None


def other(driver: Driver) -> Driver:
    """The driver whose left-over objects must go when this one serves."""
    return DRIVERS["iptables" if driver.backend == "nftables" else "nftables"]
