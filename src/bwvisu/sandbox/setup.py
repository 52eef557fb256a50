"""The steps from a claimed number to a cluster that takes jobs, and from any state back to nothing."""

import os
import shutil
import socket
from functools import partial
from pathlib import Path

from bwvisu.sandbox import etcd, instance, network, private
from bwvisu.sandbox.hosts import Machine
from bwvisu.sandbox.keys import ssh_key
from bwvisu.sandbox.render import ACCOUNTS, DAEMONS, Facts, File, host_files, ssh, template
from bwvisu.sandbox.runner import run, wait_for
from bwvisu.sandbox.topology import Kind, Topology


def write_files(topology: Topology, folder: Path, cgroups: int) -> None:
    """Everything that hosts read at boot, keys included."""
    facts = Facts(**{name: Path(f"/etc/{name}").read_text() for name in ("passwd", "group", "shadow")}, cgroups=cgroups)
    client = ssh_key()
    found = {
        "init.sh": File(template("init.sh"), 0o755),
        "remove-cgroups.sh": File(template("remove-cgroups.sh"), 0o755),
        "prefix": File(topology.prefix),
        "ssh_key": File(client.private, 0o600),
        "ssh_key.pub": File(f"{client.public} bwvisu@{topology.prefix}\n"),
    }
    known = []
    for host in topology.hosts.values():
        files = host_files(topology, host, facts)
        if "sshd" in DAEMONS.get(host.kind, {}):
            key = ssh_key()
            files |= ssh(key.private, f"{client.public}\n")
            known.append(f"{topology.addresses[host.name].inner} {key.public}\n")
        found |= {f"hosts/{host.name}/{path}": file for path, file in files.items()}
    instance.store(folder, found | {"known_hosts": File("".join(known))} | etcd.files(topology))
    _make_folders(topology, folder)


def _make_folders(topology: Topology, folder: Path) -> None:
    for host in topology.hosts.values():
        for name in ("log", "home", "daemons", "etc", "spool", "state"):
            (folder / "hosts" / host.name / name).mkdir(parents=True, exist_ok=True)
    _own(folder / "hosts" / "ctl" / "state", "slurm")
    for home in (folder / "home", *(folder / "hosts" / gw.name / "home" for gw in topology.of_kind(Kind.GATEWAY))):
        _make_homes(home)
    (folder / "munge").mkdir(mode=0o755, exist_ok=True)
    key = folder / "hosts" / "munge" / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    for member in topology.of_kind(Kind.ETCD):
        (folder / "hosts" / member.name / "data").mkdir(mode=0o700, exist_ok=True)


def _make_homes(below: Path) -> None:
    below.mkdir(mode=0o755, exist_ok=True)
    for account in ACCOUNTS:
        if account.home:
            home = below / account.name
            home.mkdir(mode=0o700, exist_ok=True)
            os.chown(home, account.uid, account.uid)


def _own(path: Path, user: str) -> None:
    shutil.chown(path, user)


def wait_until_ready(topology: Topology, machine: Machine, access: etcd.EtcdAccess) -> None:
    """Return when sshd greets on every host that has one, slurmctld answers, all nodes are idle, etcd commits."""
    for host in topology.of_kind(Kind.COMMAND, Kind.GATEWAY):
        wait_for(f"sshd of {host.name}", partial(greets, topology.addresses[host.name].inner or ""), within=15)
    wait_for("etcd", lambda: etcd.healthy(access), within=60)
    etcd.enable_users(access)
    idle = len(topology.of_kind(Kind.COMPUTE))
    wait_for("slurmd of all compute nodes", lambda: _idle(machine) >= idle, within=60, every=0.1)


def greets(address: str) -> bool:
    """Whether an SSH server says its banner within a second."""
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _idle(machine: Machine) -> int:
    done = run(machine.enter("ctl", ["sinfo", "-h", "-p", "batch", "-N", "-o", "%t"], None), timeout=60)
    return sum(state in {"idle", "mix", "alloc"} for state in done.stdout.split()) if done.returncode == 0 else 0


def dismantle(topology: Topology, folder: Path, machine: Machine) -> None:
    """Remove all that an instance ever made, from whatever state it is in."""
    machine.kill_everything()
    network.remove(topology)
    if (folder / "remove-cgroups.sh").exists():
        machine.remove_cgroups()
    private.take_away(folder)
    instance.forget(topology.options.name)
