"""One cluster: how it is reached, how its Slurm is asked, and what forwards and users it allows."""

import re
from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from bwvisu.settings.proxy import ProxySettings, faults
from bwvisu.settings.types import Duration, Name, Port, PortRange, Section, Text, Url, UserPattern, matching
from keyhole.domain import Choice, ForwardPolicy, Gateway


class SshSettings(Section):
    """How the service logs in; the same key for command nodes and gateways."""

    key_file: Path
    """Private key in OpenSSH's format, without a passphrase; readable by the service only."""
    known_hosts: Path
    """Host keys as OpenSSH writes them.  There is no way to switch the check off."""
    connect_timeout: Duration = 3
    """TCP connect, key exchange and login together; seconds."""
    keepalive_interval: Duration = 5
    """Seconds between two signs of life on an idle connection."""
    keepalive_count: Annotated[int, Field(ge=1)] = 3
    """A connection that missed so many of them is dead."""
    sessions: Annotated[int, Field(ge=1, le=100)] = 6
    """Commands at once on one connection; below sshd's `MaxSessions` (10), which frees its slots late."""
    backoff_first: Duration = 1
    """A node that refused a connection is left alone for so many seconds, doubled each time ..."""
    backoff_limit: Duration = 5
    """... up to this."""


class NodeSettings(Section):
    """One account on one command node."""

    host: Text
    """Name or address."""
    port: Port = 22
    """Port of sshd."""
    user: Text
    """The middleware's account there."""


class GatewaySettings(Section):
    """One gateway: where it is logged in to, and what users and compute nodes see of it."""

    name: Name
    """Its name in the API, in metrics and in `KEYHOLE_GATEWAY<I>`."""
    host: Text
    """Name or address for SSH."""
    port: Port = 22
    """Port of sshd."""
    user: Text
    """The middleware's account there; may differ from the command nodes'."""
    internal_ip: IPv4Address | IPv6Address
    """Address towards the compute nodes, of the same family as `external_ip`."""
    external_ip: IPv4Address | IPv6Address
    """Address towards the users.  A gateway carries its family, to compute addresses of that family; one that carries
    both is named twice, with the same `host`."""
    external_host: str = ""
    """Name that users are shown instead of `external_ip`.  `{id}` in it becomes the job's id, so that each job has a
    name, and so cookies, of its own (wildcard DNS).  With `backend: proxy`, `{port}` becomes a forward's number."""
    sudo: str = "sudo -n"
    """Put before the few commands that need root; empty where the account is root."""
    proxy_socket: Annotated[str, matching(r"/[!-~]+", "an absolute path")] = "/run/haproxy/bwvisu.sock"
    """Stats socket of its HAProxy, which the middleware's account may open; used where `forwards.proxy` is set."""

    @model_validator(mode="after")
    def _of_one_family(self) -> "GatewaySettings":
        if self.internal_ip.version != self.external_ip.version:
            raise ValueError("internal_ip and external_ip are of different families")
        return self

    def gateway(self, proxy: ProxySettings | None, *, proxied: bool) -> Gateway:
        """As the keyhole knows it; ``proxied``: users reach all forwards at the proxy's port."""
        return Gateway(
            self.name,
            str(self.internal_ip),
            str(self.external_ip),
            self.external_host,
            self.sudo,
            public_port=proxy.port if proxy and proxied else None,
            proxy_socket=self.proxy_socket if proxy else "",
            host=self.host,
        )


class ExtendSettings(Section):
    """Another run time for a job that waits or runs (`extendJob`)."""

    allowed: bool = False
    """Whether it may be asked for.  It takes a right in Slurm that the site grants, see `docs/operations.md`."""
    maximum: Annotated[Duration, Field(ge=60)] = 86400
    """Longest run time in all, from a job's start; whole minutes count.  Slurm lets its operators go beyond a
    partition's `MaxTime`: this is the bound."""
    run_as: Text | None = "slurm"
    """Who changes it, by sudo; `null`: the middleware's own account, which is a Slurm operator."""

    @property
    def longest(self) -> int | None:
        """Minutes; None: it may not be asked for."""
        return int(self.maximum // 60) if self.allowed else None


class SlurmSettings(Section):
    """How Slurm is asked."""

    poll_interval: Duration = 5
    """Seconds between two looks (`squeue`); stretched to five times what the last look took."""
    submit_timeout: Duration = 25
    """Seconds that `sbatch` may take before it is killed on the command node."""
    look_timeout: Duration = 20
    """Seconds that one `squeue` may take."""
    call_timeout: Duration = 15
    """Seconds that any other call may take."""
    look_as: str | None = None
    """Where the site hides other users' jobs (`PrivateData`): look by sudo as this user."""
    sees_all: bool = False
    """The middleware's account is a Slurm operator: it sees all jobs whatever `PrivateData` says."""
    job_name_prefix: Annotated[
        str, matching(r"[a-z][a-z0-9]{0,7}", "a lower-case letter, then up to seven letters or digits")
    ] = "bwv"
    """Slurm jobs are named `<prefix>-<installation>-<job id>-<attempt>`."""
    extend: ExtendSettings = ExtendSettings()
    """Another run time for a job that waits or runs."""


class AdmissionSettings(Section):
    """What users may admit, where new connections pass only from admitted addresses."""

    lasts: Duration = 12 * 3600
    """Seconds after which an address must be admitted anew: the longest time, and what is meant where none is named."""
    most: Annotated[int, Field(ge=1, le=1000)] = 32
    """Most entries of one job at once."""
    ipv4_prefix: Annotated[int, Field(ge=8, le=32)] = 32
    """The widest IPv4 network that users may admit, by the length of its prefix; 32: single addresses only."""
    ipv6_prefix: Annotated[int, Field(ge=16, le=128)] = 128
    """The widest IPv6 network that users may admit, by the length of its prefix; 128: single addresses only."""


class SharingSettings(Section):
    """Whether owners let other people into their jobs."""

    allowed: bool = True
    """Whether they may."""
    lasts: Duration = 24 * 3600
    """Seconds after which a share is over: the longest time, and what is meant where none is named."""
    most: Annotated[int, Field(ge=1, le=1000)] = 32
    """Most shares of one job at once."""


class ActivitySettings(Section):
    """How closely users' connections are watched, by one command per gateway and interval."""

    interval: Annotated[Duration, Field(ge=1, le=10)] = 5
    """Seconds between two looks at a gateway's connections; one that was reset stays listed for ten."""
    record_every: Annotated[Duration, Field(ge=1)] = 60
    """Seconds between two records of a job's bytes and last activity while something flows."""


class ForwardSettings(Section):
    """What jobs may be given on the gateways."""

    backend: Choice = "auto"
    """What writes the rules; `auto`: nftables where the gateway has it.  `proxy`: HAProxy at one port, http only."""
    proxy: ProxySettings | None = None
    """How users are let in where `backend` is `proxy`; stays until the last gateway was seen without its forwards."""
    port_range: PortRange = (50000, 60000)
    """First and last external port, both included; the service owns the whole block on every gateway."""
    max_per_job: Annotated[int, Field(ge=1, le=1000)] = 100
    """Most forwards of one job."""
    hostname_suffix: Annotated[str, matching(r"[A-Za-z0-9.-]*", "letters, digits, dots and hyphens")] = ""
    """Appended to a compute node's name, e.g. `-ib0`: the stream takes InfiniBand."""
    admission: Literal["open", "owner-address"] = "open"
    """`open`: whoever knows a job's address reaches its application, which asks for its password.  `owner-address`: new
    connections pass only from addresses that were admitted for the job, see `docs/security.md`."""
    admissions: AdmissionSettings = AdmissionSettings()
    """What users may admit."""
    quarantine: Duration = 120
    """Seconds for which a port of an ended job is not given to another."""
    move_after: Annotated[Duration, Field(ge=15)] = 15
    """Seconds for which a gateway could not be reached, after which its forwards move to others: the jobs go on, their
    addresses change, see `docs/operations.md`."""
    activity: ActivitySettings = ActivitySettings()
    """How closely users' connections are watched."""

    @property
    def proxied(self) -> ProxySettings | None:
        """How users are let in by a proxy; None: they are not."""
        return self.proxy if self.backend == "proxy" else None

    @model_validator(mode="after")
    def _a_proxy_lets_in_by_cookie(self) -> "ForwardSettings":
        if self.backend == "proxy" and self.proxy is None:
            raise ValueError("backend: proxy needs the section proxy with its key_file")
        if self.backend == "proxy" and self.admission == "owner-address":
            raise ValueError("admission: owner-address is not for backend: proxy, where a signed cookie lets people in")
        return self


class IdleStopSettings(Section):
    """Stopping jobs that nobody uses, where their application or whoever starts them asks for it."""

    allowed: bool = True
    """Whether it may be asked for; if not, nothing is ever stopped for that."""
    never_allowed: bool = True
    """Whether somebody may start a job that is never stopped (0 minutes) though its application would be."""
    minimum: Annotated[Duration, Field(ge=60)] = 600
    """Shortest time without activity that may be asked for; an application's own is at least this."""
    maximum: Annotated[Duration, Field(ge=60)] = 604800
    """Longest time that may be asked for; an application's own is at most this."""
    warning: Annotated[Duration, Field(ge=1)] = 300
    """So many seconds before the stop its owner is warned; at most half of the whole time."""

    @model_validator(mode="after")
    def _ordered(self) -> "IdleStopSettings":
        if self.minimum > self.maximum:
            raise ValueError("minimum is more than maximum")
        return self


class LimitSettings(Section):
    """Bounds for the sake of the cluster and of its users."""

    submissions_in_flight: Annotated[int, Field(ge=1, le=100)] = 8
    """Calls of `sbatch` at once on this cluster."""
    running_per_user: Annotated[int, Field(ge=1)] | None = None
    """Most jobs of one person that Slurm has at once, queued or running; none: any number."""
    waiting_per_user: Annotated[int, Field(ge=0)] = 0
    """So many more are accepted and wait here for one of those to end; the next one is refused at once."""
    idle_stop: IdleStopSettings = IdleStopSettings()
    """Stopping jobs that nobody uses."""


class UserSettings(Section):
    """Whose jobs are accepted.  Root and system accounts never are, whoever asks."""

    pattern: UserPattern = r"^[a-z_][a-z0-9_-]{0,31}$"
    """Regular expression that a user name must match as a whole."""
    minimum_uid: Annotated[int, Field(ge=1)] = 1000
    """Accounts below are system accounts."""


def _distinct(gateways: Sequence[GatewaySettings]) -> Sequence[GatewaySettings]:
    twice = [name for name, count in Counter(gateway.name for gateway in gateways).items() if count > 1]
    if twice:
        raise ValueError(f"two gateways are named {twice[0]!r}")
    hosts = [(gateway.host, gateway.external_ip.version) for gateway in gateways]
    for (host, version), count in Counter(hosts).items():
        if count > 1:
            raise ValueError(f"two gateways are on host {host!r} with IPv{version}: name it once per address family")
    return gateways


class ClusterSettings(Section):
    """One cluster."""

    title: str = ""
    """For people; empty: the key."""
    ssh: SshSettings
    """How its nodes are logged in to."""
    command_nodes: Annotated[tuple[NodeSettings, ...], Field(min_length=1)]
    """Where Slurm's commands are run; one that does not answer is passed over."""
    gateways: Annotated[tuple[GatewaySettings, ...], AfterValidator(_distinct)] = ()
    """Who carries users' connections; forwards are spread over them.  A gateway's host serves one cluster."""
    slurm: SlurmSettings = SlurmSettings()
    """How Slurm is asked."""
    forwards: ForwardSettings = ForwardSettings()
    """What jobs may be given on the gateways."""
    sharing: SharingSettings = SharingSettings()
    """Whether owners let other people into their jobs."""
    compute_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks of the compute nodes; forwards lead nowhere else."""
    keyhole_urls: tuple[Url, ...] = ()
    """URLs of the keyhole as this cluster's compute nodes reach it, tried in turn; empty: `keyhole.public_urls`."""
    home_prefix: Annotated[str, matching(r"/.*", "an absolute path")] = "/home"
    """The users' homes lie below this directory; a home elsewhere is refused."""
    limits: LimitSettings = LimitSettings()
    """Bounds for the sake of the cluster."""
    users: UserSettings = UserSettings()
    """Whose jobs are accepted."""

    @model_validator(mode="after")
    def _gateways_need_networks(self) -> "ClusterSettings":
        if self.gateways and not self.compute_networks:
            raise ValueError("gateways are named but no compute_networks: no forward could lead anywhere")
        families = {network.version for network in self.compute_networks}
        for gateway in self.gateways:
            if gateway.external_ip.version not in families:
                raise ValueError(
                    f"no compute_networks of IPv{gateway.external_ip.version}: "
                    f"no forward of {gateway.name!r} could lead anywhere"
                )
        return self

    @model_validator(mode="after")
    def _names_fit_the_backend(self) -> "ClusterSettings":
        hosts = [(gateway.name, gateway.external_host) for gateway in self.gateways]
        proxied = self.forwards.backend == "proxy"
        for fault in faults(proxied, hosts):
            raise ValueError(fault)
        if proxied and len({gateway.host for gateway in self.gateways}) < len(hosts):
            raise ValueError("two gateways on one host would share one HAProxy: name it once, by one address family")
        return self

    def user_name_allowed(self, name: str) -> bool:
        """Whether a user name has the form that this cluster's names have."""
        return re.fullmatch(self.users.pattern, name) is not None

    def gateways_by_name(self) -> dict[str, Gateway]:
        """The gateways as the keyhole knows them."""
        proxy, proxied = self.forwards.proxy, self.forwards.proxied is not None
        return {each.name: each.gateway(proxy, proxied=proxied) for each in self.gateways}

    def forward_policy(self, own_addresses: frozenset[str] = frozenset()) -> ForwardPolicy:
        """The rules for forwards as the keyhole knows them; no forward leads to one of ``own_addresses``."""
        first, last = self.forwards.port_range
        return ForwardPolicy(
            compute_networks=self.compute_networks,
            backend=self.forwards.backend,
            first_port=first,
            last_port=last,
            max_per_job=self.forwards.max_per_job,
            hostname_suffix=self.forwards.hostname_suffix,
            quarantine=self.forwards.quarantine,
            move_after=self.forwards.move_after,
            admission=self.forwards.admission,
            own_addresses=own_addresses,
        )
