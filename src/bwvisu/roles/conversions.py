"""Settings of a cluster as each part wants them."""

from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from bwvisu.adapters.slurm import SlurmSettings
from bwvisu.adapters.ssh import Node, SshSettings
from bwvisu.domain.cluster import Installation
from bwvisu.planning.snapshot import Policy
from bwvisu.settings import ClusterSettings, Settings

UPDATE_LATENESS = 45.0
"""Seconds after a call's deadline in which slurmctld may still do what it was asked (half a minute was seen)."""


def policy_of(settings: ClusterSettings, drawn: Installation, *, settles_within: float, retention: float) -> Policy:
    """The planner's rules for a cluster; the rest is learnt from its Slurm."""
    return Policy(
        installation=drawn.id,
        name_prefix=settings.slurm.job_name_prefix,
        submit_settle=settles_within,
        submissions_in_flight=settings.limits.submissions_in_flight,
        running_per_user=settings.limits.running_per_user,
        retention=timedelta(seconds=retention),
        longest=settings.slurm.extend.longest,
        idle_warning=settings.limits.idle_stop.warning,
        extend_settle=settings.slurm.call_timeout + UPDATE_LATENESS,
    )


def command_nodes(settings: ClusterSettings) -> list[Node]:
    """Accounts on the command nodes."""
    return [Node(node.host, node.user, node.port) for node in settings.command_nodes]


def gateway_nodes(settings: ClusterSettings) -> dict[str, Node]:
    """Accounts on the gateways, by the gateways' names."""
    return {gateway.name: Node(gateway.host, gateway.user, gateway.port) for gateway in settings.gateways}


def slurm_settings(settings: ClusterSettings) -> SlurmSettings:
    """The Slurm adapter's part of the settings."""
    slurm = settings.slurm
    return SlurmSettings(
        name_prefix=slurm.job_name_prefix,
        submit_timeout=slurm.submit_timeout,
        look_timeout=slurm.look_timeout,
        call_timeout=slurm.call_timeout,
        look_as=slurm.look_as,
        extend_as=slurm.extend.run_as,
        sees_all=slurm.sees_all,
    )


def ssh_settings(settings: ClusterSettings) -> SshSettings:
    """The wire's part of the settings."""
    return SshSettings(**dict(settings.ssh))


def own_addresses(settings: Settings) -> frozenset[str]:
    """Addresses of the service itself, as far as the settings name any: no job may have a forward to them.

    Written as `ipaddress` prints them, without brackets; names stay as they are.
    """
    urls = [*settings.keyhole.public_urls, *(url for each in settings.clusters.values() for url in each.keyhole_urls)]
    hosts = [urlsplit(url).hostname or "" for url in urls]
    hosts += [endpoint.rpartition(":")[0].removeprefix("[").removesuffix("]") for endpoint in settings.etcd.endpoints]
    return frozenset(map(_canonical, hosts))


def _canonical(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        return host
