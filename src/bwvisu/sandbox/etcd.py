"""The etcd members of an instance: how they are started, how they are reached, and who they let in."""

import secrets
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from bwvisu.sandbox.keys import Authority
from bwvisu.sandbox.render import File, daemons
from bwvisu.sandbox.runner import check, run
from bwvisu.sandbox.topology import Kind, Topology

PREFIX = "/bwvisu"
ROOT = "root"
"""etcd's own administrator."""
SERVER_NAME = "etcd"
"""A DNS name that every member's certificate holds."""

_PEER_SOURCE = IPv4Address("127.0.0.1")
"""Members call each other from here, and etcd checks a peer's certificate against its source address."""


@dataclass(frozen=True)
class EtcdAccess:
    """How a client on this machine reaches etcd.  Files are absolute; None where TLS or passwords are off."""

    endpoints: tuple[str, ...]
    """``address:port``, without a scheme."""
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    root_password_file: Path | None = None
    users: tuple[str, ...] = ()
    """Those that are known by a client certificate of theirs; root's is there, too."""
    prefix: str = PREFIX

    def settings(self) -> dict[str, object]:
        """The ``etcd`` section of bwvisu's settings."""
        found: dict[str, object] = {"endpoints": list(self.endpoints), "prefix": self.prefix}
        if self.ca_file:
            found["tls"] = {
                "ca_file": str(self.ca_file),
                "cert_file": str(self.cert_file),
                "key_file": str(self.key_file),
            }
        if self.username:
            found |= {"username": self.username, "password_file": str(self.password_file)}
        return found

    def certificate(self, user: str) -> tuple[Path, Path]:
        """The certificate of one of ``users``, or of root, and its key."""
        if self.ca_file is None or not self.users or user not in {ROOT, *self.users}:
            raise ValueError(f"{user} has no certificate here")
        return self.ca_file.with_name(f"{user}.crt"), self.ca_file.with_name(f"{user}.key")

    def etcdctl(self) -> tuple[list[str], dict[str, str]]:
        """The beginning of an etcdctl command and its environment (as etcd's root where there are users)."""
        scheme = "https" if self.ca_file else "http"
        argv = ["etcdctl", "--endpoints", ",".join(f"{scheme}://{endpoint}" for endpoint in self.endpoints)]
        if self.ca_file:
            cert, key = self.certificate(ROOT) if self.users else (self.cert_file, self.key_file)
            argv += [f"--cacert={self.ca_file}", f"--cert={cert}", f"--key={key}"]
        env = {"ETCDCTL_API": "3"}
        if self.root_password_file:
            env |= {"ETCDCTL_USER": f"root:{self.root_password_file.read_text().strip()}"}
        return argv, env


def access(topology: Topology, folder: Path) -> EtcdAccess:
    """Where the members of this instance listen and what a client needs."""
    options, tls = topology.options, folder / "tls"
    return EtcdAccess(
        endpoints=tuple(f"{topology.etcd_address(member.name)}:2379" for member in topology.of_kind(Kind.ETCD)),
        ca_file=tls / "ca.crt" if options.etcd_tls else None,
        cert_file=tls / "client.crt" if options.etcd_tls else None,
        key_file=tls / "client.key" if options.etcd_tls else None,
        username="bwvisu" if options.etcd_auth else None,
        password_file=folder / "etcd.password" if options.etcd_auth else None,
        root_password_file=folder / "etcd.root-password" if options.etcd_auth else None,
        users=options.etcd_users,
    )


def member_argv(topology: Topology, member: str) -> list[str]:
    """The command line of one member.  An etcd that is killed and started again goes on with its data."""
    scheme = "https" if topology.options.etcd_tls else "http"

    def url(name: str, port: int) -> str:
        return f"{scheme}://{topology.etcd_address(name)}:{port}"

    argv = ["/usr/bin/etcd", "--name", member, "--data-dir", "/run/disk/data", "--log-outputs", "stderr"]
    argv += ["--listen-client-urls", url(member, 2379), "--advertise-client-urls", url(member, 2379)]
    argv += ["--listen-peer-urls", url(member, 2380), "--initial-advertise-peer-urls", url(member, 2380)]
    peers = ",".join(f"{host.name}={url(host.name, 2380)}" for host in topology.of_kind(Kind.ETCD))
    argv += ["--initial-cluster", peers, "--initial-cluster-token", topology.prefix]
    argv += ["--auto-compaction-mode", "periodic", "--auto-compaction-retention", "1h"]
    if topology.options.etcd_tls:
        for kind in ("", "peer-"):
            argv += [f"--{kind}trusted-ca-file=/run/disk/tls/ca.crt", f"--{kind}client-cert-auth=true"]
            argv += [f"--{kind}cert-file=/run/disk/tls/server.crt", f"--{kind}key-file=/run/disk/tls/server.key"]
    return argv


def files(topology: Topology) -> dict[str, File]:
    """Files below the instance's folder: the members' daemons, certificates and passwords."""
    found = {}
    for member in topology.of_kind(Kind.ETCD):
        for path, file in daemons({"etcd": member_argv(topology, member.name)}).items():
            found[f"hosts/{member.name}/{path}"] = file
    if topology.options.etcd_tls:
        found |= _tls_files(topology)
    if topology.options.etcd_auth:
        for name in ("etcd.password", "etcd.root-password"):
            found[name] = File(secrets.token_urlsafe(24) + "\n", 0o600)
    return found


def _tls_files(topology: Topology) -> dict[str, File]:
    authority = Authority(f"{topology.prefix} etcd CA")
    client = authority.issue("bwvisu-client")
    found = {
        "tls/ca.crt": File(authority.certificate),
        "tls/client.crt": File(client.certificate),
        "tls/client.key": File(client.key, 0o600),
    }
    for user in (ROOT, *topology.options.etcd_users) if topology.options.etcd_users else ():
        own = authority.issue(user)
        found |= {f"tls/{user}.crt": File(own.certificate), f"tls/{user}.key": File(own.key, 0o600)}
    for member in topology.of_kind(Kind.ETCD):
        server = authority.issue(SERVER_NAME, [topology.etcd_address(member.name), _PEER_SOURCE])
        folder = f"hosts/{member.name}/tls"
        found[f"{folder}/ca.crt"] = File(authority.certificate)
        found[f"{folder}/server.crt"] = File(server.certificate)
        found[f"{folder}/server.key"] = File(server.key, 0o600)
    return found


def healthy(etcd: EtcdAccess) -> bool:
    """Whether every member commits."""
    argv, env = etcd.etcdctl()
    return run([*argv, "--command-timeout=2s", "endpoint", "health"], env=env, timeout=10).returncode == 0


def enable_users(etcd: EtcdAccess) -> None:
    """Make etcd's users, then switch authentication on; nothing to do where that is done, or where there are none."""
    argv, env = etcd.etcdctl()
    if not (etcd.password_file or etcd.users):
        return
    done = run([*argv, "auth", "status"], env=env)
    if done.returncode == 0 and run([*argv, "user", "get", ROOT], env=env).returncode == 0:
        return
    env = {name: value for name, value in env.items() if name != "ETCDCTL_USER"}
    _add(etcd, ROOT, etcd.root_password_file)
    check([*argv, "role", "add", ROOT], env=env)
    check([*argv, "user", "grant-role", ROOT, ROOT], env=env)
    for user in etcd.users:
        _add(etcd, user, None)
    if etcd.username:
        _add(etcd, etcd.username, etcd.password_file)
        check([*argv, "role", "add", etcd.username], env=env)
        right = ["readwrite", f"{etcd.prefix}/", "--prefix=true"]
        check([*argv, "role", "grant-permission", etcd.username, *right], env=env)
        check([*argv, "user", "grant-role", etcd.username, etcd.username], env=env)
    check([*argv, "auth", "enable"], env=env)


def _add(etcd: EtcdAccess, user: str, password: Path | None) -> None:
    """Passwords go in by stdin: process arguments are readable by everyone."""
    argv, env = etcd.etcdctl()
    env = {name: value for name, value in env.items() if name != "ETCDCTL_USER"}
    how = ["--interactive=false"] if password else ["--no-password"]
    check([*argv, "user", "add", user, *how], stdin=password.read_text() if password else None, env=env)
