"""From where a job may be entered, where its cluster's forwards are bound to their owners' addresses."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from pydantic import AwareDatetime

from bwvisu.domain.job import Record


class Admission(Record):
    """One address, or one network, whose connections pass."""

    id: str
    """A ULID in lower case; names it among the job's."""
    network: str
    """As `ipaddress` prints it; a single address is a network of that length."""
    user: str
    """The person who sits there: the job's owner, or whom a share let in."""
    by: str = ""
    """Name of the token that asked."""
    share: str | None = None
    """The share that it came by; it goes with that."""
    at: AwareDatetime
    expires_at: AwareDatetime

    @property
    def addresses(self) -> IPv4Network | IPv6Network:
        """The network; raises ValueError where it is none."""
        return ip_network(self.network)

    @property
    def address(self) -> str:
        """As it is shown: a single address without a length."""
        network = self.addresses
        return str(network.network_address if network.num_addresses == 1 else network)


class Admissions(Record):
    """The record ``admissions/{id}``: who may come in, from where.  Written by the API; what expired says nothing."""

    entries: tuple[Admission, ...] = ()
