"""What each host's files say: pure functions from topology, keys and this machine's accounts to text."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files as package_files

import jinja2

from bwvisu.sandbox.topology import MIDDLEWARE, Address, Host, Kind, Leg, Topology

MIDDLEWARE_USER = "bwvisu"
USERS_GROUP = "bwvisu-users"
GPU_NODE = "node3"
GPUS = 4
FORWARD_PORTS = "50000-60000"
"""Ports on which jobs listen for their users."""
_TEMPLATES = package_files("bwvisu.sandbox") / "templates"


@dataclass(frozen=True)
class Account:
    """An ordinary user of the cluster."""

    name: str
    uid: int
    member: bool = True
    """In the group whose jobs bwVisu may start."""
    home: bool = True


ACCOUNTS = (
    Account(MIDDLEWARE_USER, 20000, member=False),
    Account("alice", 20001),
    Account("bob", 20002),
    Account("carol", 20003),
    Account("mallory", 20004, member=False),
    Account("homeless", 20005, home=False),
)
_GROUPS = {USERS_GROUP: (20100, [a.name for a in ACCOUNTS if a.member]), "project": (20101, ["alice"])}


@dataclass(frozen=True)
class File:
    """A file of a host, by its path relative to the host's folder."""

    text: str
    mode: int = 0o644


@dataclass(frozen=True)
class Facts:
    """What is taken from this machine as it is."""

    passwd: str
    group: str
    shadow: str
    cgroups: int


def template(name: str) -> str:
    """The text of a file in ``templates/``."""
    return (_TEMPLATES / name).read_text()


def _rendered(name: str, **values: object) -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701
    return environment.from_string(template(name)).render(values)


def accounts(facts: Facts) -> dict[str, File]:
    """``/etc/passwd``, ``group``, ``shadow``: this machine's own (its daemons' users) and the cluster's users."""
    names = {account.name for account in ACCOUNTS} | set(_GROUPS)
    users = [f"{a.name}:x:{a.uid}:{a.uid}::/home/{a.name}:/bin/bash" for a in ACCOUNTS]
    groups = [f"{a.name}:x:{a.uid}:" for a in ACCOUNTS]
    groups += [f"{name}:x:{gid}:{','.join(members)}" for name, (gid, members) in _GROUPS.items()]
    shadows = [f"{a.name}:*:19000:0:99999:7:::" for a in ACCOUNTS]
    return {
        "etc/passwd": File(_merged(facts.passwd, users, names)),
        "etc/group": File(_merged(facts.group, groups, names)),
        "etc/shadow": File(_merged(facts.shadow, shadows, names), 0o640),
    }


def _merged(text: str, own: Sequence[str], names: set[str]) -> str:
    kept = [line for line in text.splitlines() if line.split(":", 1)[0] not in names]
    return "\n".join([*kept, *own]) + "\n"


def etc_hosts(topology: Topology, host: Host) -> str:
    """Names as that host knows them: the inside knows inner and fabric addresses, the outside only outer ones."""
    lines = ["127.0.0.1 localhost"]
    for name, address in (*topology.addresses.items(), *topology.addresses6.items()):
        if host.kind is Kind.OUTSIDE:
            lines += [f"{address.outer} {name}"] if address.outer else []
        else:
            lines += [f"{address.inner} {name}"] if address.inner else []
            lines += [f"{address.fabric} {name}-ib0"] if address.fabric else []
    return "\n".join(lines) + "\n"


def slurm(topology: Topology, facts: Facts) -> dict[str, File]:
    """The folder ``/etc/slurm``, the same on every node."""
    values = {
        "prefix": topology.prefix,
        "options": topology.options,
        "addresses": topology.addresses,
        "compute": topology.of_kind(Kind.COMPUTE),
        "gpu_node": GPU_NODE,
        "gpus": GPUS,
    }
    return {
        "etc/slurm/slurm.conf": File(_rendered("slurm.conf.j2", **values)),
        "etc/slurm/cgroup.conf": File(_rendered("cgroup.conf.j2", cgroups=facts.cgroups)),
        "etc/slurm/gres.conf": File(f"NodeName={GPU_NODE} Name=gpu File=/dev/gpu[0-{GPUS - 1}]\n"),
    }


def ssh(host_key: str, authorized: str) -> dict[str, File]:
    """What sshd reads.  ``host_key`` is a private key in OpenSSH's format, ``authorized`` a public one."""
    return {
        "etc/ssh/bwvisu_sshd_config": File(template("sshd_config")),
        "etc/ssh/bwvisu_host_key": File(host_key, 0o600),
        "etc/ssh/bwvisu_authorized_keys": File(authorized),
    }


_NODES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
    "fuse": (10, 229),
}


def devices(host: Host) -> str:
    """Device nodes below /dev: name, mode, major, minor.  The GPUs are /dev/null by other names."""
    gpus = {f"gpu{n}": (1, 3) for n in range(GPUS)} if host.name == GPU_NODE else {}
    return "".join(f"{name} 666 {major} {minor}\n" for name, (major, minor) in (_NODES | gpus).items())


def mounts(host: Host) -> str:
    """What of the instance's folder a host sees, and where."""
    lines = ["home /home"] if host.kind.shares_home else [f"hosts/{host.name}/home /home"]
    if host.kind in {Kind.MUNGE, Kind.CONTROLLER, Kind.COMMAND, Kind.COMPUTE}:
        lines.append("munge /run/munge")
    return "\n".join(lines) + "\n"


def network(topology: Topology, host: Host) -> str:
    """Commands for ``ip -batch`` inside the host.  There is no route but to its own networks."""
    if not host.kind.own_network:
        return ""
    lines = ["link set lo up"]
    for leg, address in topology.addresses[host.name].legs():
        lines += [f"address add {address}/24 dev {leg}", f"link set {leg} up"]
    for leg, address in topology.addresses6.get(host.name, Address()).legs():
        lines += [f"address add {address}/64 dev {leg} nodad"]
    return "\n".join(lines) + "\n"


def sysctl(topology: Topology, host: Host) -> str:
    """Kernel settings of the host's own network namespace, as ``path value``."""
    if not host.kind.own_network:
        return ""
    lines = [f"net/ipv6/conf/all/disable_ipv6 {int(not topology.options.ipv6)}"]
    if host.kind is Kind.GATEWAY and topology.options.ipv6:
        lines += ["net/ipv6/conf/all/forwarding 1"]
    if host.kind is Kind.GATEWAY:
        lines += ["net/ipv4/ip_forward 1", "net/netfilter/nf_conntrack_acct 1"]
    if host.kind is Kind.COMPUTE:
        # Otherwise a connection that leaves the node may take a job's port before the job binds it (ip-sysctl.rst).
        lines += [f"net/ipv4/ip_local_reserved_ports {FORWARD_PORTS}"]
    return "\n".join(lines) + "\n"


def firewall(topology: Topology, host: Host) -> str:
    """Input of iptables-restore (and of its twin, with IPv6) at boot; empty where Debian's plain state is wanted."""
    if host.kind is not Kind.GATEWAY or topology.options.forward_policy == "accept":
        return ""
    return "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n"


_SSHD = ("/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/bwvisu_sshd_config")
_MUNGED = (
    "/usr/sbin/munged",
    "--foreground",
    "--key-file=/run/disk/munge.key",
    "--socket=/run/munge/munge.socket.2",
    "--pid-file=/run/disk/munged.pid",
    "--seed-file=/run/disk/munged.seed",
    "--log-file=/run/disk/log/munged.log",
)
DAEMONS: Mapping[Kind, Mapping[str, Sequence[str]]] = {
    Kind.MUNGE: {"munged": _MUNGED},
    Kind.CONTROLLER: {"slurmctld": ("/usr/sbin/slurmctld", "-D")},
    Kind.COMMAND: {"sshd": _SSHD},
    Kind.GATEWAY: {"sshd": _SSHD},
    Kind.COMPUTE: {"slurmd": ("/usr/sbin/slurmd", "-D")},
}


def daemons(commands: Mapping[str, Sequence[str]]) -> dict[str, File]:
    """One script for each daemon that the host's init starts by name; the process keeps the name."""
    return {f"daemons/{name}": File(f"exec {shlex.join(argv)}\n") for name, argv in commands.items()}


def host_files(topology: Topology, host: Host, facts: Facts) -> dict[str, File]:
    """Everything below the host's folder, but keys."""
    found = {
        "mounts": File(mounts(host)),
        "devices": File(devices(host)),
        "network": File(network(topology, host)),
        "sysctl": File(sysctl(topology, host)),
        "firewall": File(firewall(topology, host)),
        "firewall6": File(firewall(topology, host) if topology.options.ipv6 else ""),
        **daemons(DAEMONS.get(host.kind, {})),
    }
    if host.kind.own_network:
        found |= {
            "etc/hostname": File(f"{host.name}\n"),
            "etc/hosts": File(etc_hosts(topology, host)),
            "etc/nsswitch.conf": File("passwd: files\ngroup: files\nshadow: files\nhosts: files\n"),
            "etc/environment": File(""),
            **accounts(facts),
        }
    if host.kind in {Kind.CONTROLLER, Kind.COMMAND, Kind.COMPUTE}:
        found |= slurm(topology, facts)
    if host.kind is Kind.COMMAND:
        found["etc/sudoers.d/bwvisu"] = File(template("sudoers.command-node"), 0o440)
    if host.kind is Kind.GATEWAY:
        found["etc/sudoers.d/bwvisu"] = File(template("sudoers.gateway"), 0o440)
    return found


def settings(topology: Topology, *, key_file: str, known_hosts: str, etcd: Mapping[str, object]) -> dict[str, object]:
    """The bwvisu settings that fit this cluster, as its YAML file would hold them."""
    addresses = topology.addresses
    middleware = addresses[MIDDLEWARE].inner
    gateways = [
        {"name": gw.name, "host": a.inner, "user": MIDDLEWARE_USER, "internal_ip": a.inner, "external_ip": a.outer}
        for gw in topology.of_kind(Kind.GATEWAY)
        for a in [addresses[gw.name]]
    ]
    gateways += [
        {**known, "name": f"{known['name']}-ipv6", "internal_ip": a.inner, "external_ip": a.outer}
        for known in gateways
        if topology.options.ipv6
        for a in [topology.addresses6[str(known["name"])]]
    ]
    legs = (Leg.INNER, Leg.FABRIC)
    networks = [*map(topology.network, legs), *(map(topology.network6, legs) if topology.options.ipv6 else ())]
    cluster = {
        "title": f"Sandbox {topology.options.name}",
        "ssh": {"key_file": key_file, "known_hosts": known_hosts},
        "command_nodes": [
            {"host": addresses[node.name].inner, "user": MIDDLEWARE_USER} for node in topology.of_kind(Kind.COMMAND)
        ],
        "gateways": gateways,
        "compute_networks": [str(each) for each in networks],
        "home_prefix": "/home",
        "slurm": {"extend": {"allowed": True}},
    }
    return {
        "etcd": dict(etcd),
        "keyhole": {"host": middleware, "port": 4243, "public_urls": [f"http://{middleware}:4243"]},
        "clusters": {"main": cluster},
    }
