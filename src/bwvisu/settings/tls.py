"""How a server of ours is met."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from bwvisu.settings.types import Port, Section

TrustedProxies = tuple[IPv4Network | IPv6Network, ...]


class ServerTlsSettings(Section):
    """A server's own certificate; PEM files."""

    cert_file: Path
    """Certificate, followed by those of its authorities."""
    key_file: Path
    """Its private key."""


class MetricsSettings(Section):
    """`/metrics`, `/livez` and `/readyz` at an address of their own, over HTTP, without a token: for inside only."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port
    """Port to listen on."""
