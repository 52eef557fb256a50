"""Addresses that people come from: what can be one, and how wide a network of them may be.  Pure."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
LENGTHS: Mapping[int, int] = {4: 32, 6: 128}
"""Bits of an address, by its family."""
_MAPPED = IPv6Network("::ffff:0:0/96")
_NOBODYS: Mapping[str, str] = {
    "0.0.0.0/8": "the unspecified address",
    "127.0.0.0/8": "a loopback address",
    "169.254.0.0/16": "a link-local address",
    "224.0.0.0/3": "a multicast or reserved address",
    "::/128": "the unspecified address",
    "::1/128": "a loopback address",
    "fe80::/10": "a link-local address",
    "ff00::/8": "a multicast address",
}
"""From there nobody reaches a gateway."""


def plain_address(text: str) -> Address | None:
    """The address of a connection; None: it is none.  An IPv4 client of an IPv6 socket is an IPv4 client."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return _unmapped(address)


def network_of(text: str, widest: Mapping[int, int]) -> Network:
    """The network to admit; a single address is one of that length.

    ``widest``: by family, the shortest prefix that the site allows.  Raises ValueError with a sentence's end, for
    the field's name stands in front.
    """
    network = read_network(text)
    for each, words in _NOBODYS.items():
        nobodys = ip_network(each)
        if network.version == nobodys.version and network.overlaps(nobodys):
            raise ValueError(f"is or holds {words}, from which nobody reaches a gateway")
    shortest = widest[network.version]
    if network.prefixlen < shortest:
        if shortest == LENGTHS[network.version]:
            raise ValueError(f"is a network; this site lets single IPv{network.version} addresses be admitted")
        raise ValueError(f"is too wide: this site lets IPv{network.version} networks from /{shortest} be admitted")
    return network


def read_network(text: str) -> Network:
    """The same, of whatever width and whosever.  Raises ValueError as `network_of` does."""
    address, slash, _ = text.strip().partition("/")
    if not slash:
        plain = plain_address(address)
        if plain is None or (isinstance(plain, IPv6Address) and plain.scope_id):
            raise ValueError("is not an IP address")
        return ip_network(plain)
    try:
        network = ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError("is neither an IP address nor a network such as 192.0.2.0/24") from None
    if isinstance(network, IPv6Network) and network.overlaps(_MAPPED):
        raise ValueError("holds IPv4 addresses written as IPv6; write them as IPv4")
    return network


def _unmapped(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped if mapped is not None else address
