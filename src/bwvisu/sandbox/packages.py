"""The Debian packages that a sandbox needs, and their installation without starting any service."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bwvisu.sandbox.runner import SandboxError, check

PROGRAMS = {
    "/usr/sbin/slurmctld": "slurmctld",
    "/usr/sbin/slurmd": "slurmd",
    "/usr/bin/sbatch": "slurm-client",
    "/usr/sbin/munged": "munge",
    "/usr/sbin/sshd": "openssh-server",
    "/usr/bin/ssh": "openssh-client",
    "/usr/bin/sudo": "sudo",
    "/usr/sbin/nft": "nftables",
    "/usr/sbin/iptables": "iptables",
    "/usr/sbin/conntrack": "conntrack",
    "/usr/bin/nc": "netcat-openbsd",
    "/usr/sbin/haproxy": "haproxy",
    "/usr/bin/curl": "curl",
    "/usr/bin/python3": "python3",
    "/usr/bin/etcd": "etcd-server",
    "/usr/bin/etcdctl": "etcd-client",
    "/usr/sbin/ip": "iproute2",
    "/usr/bin/nsenter": "util-linux",
    "/usr/bin/hostname": "hostname",
}
"""Which package brings which program; a package is there when its program is."""

_POLICY = Path("/usr/sbin/policy-rc.d")


def missing() -> list[str]:
    """Packages whose program is not on this machine."""
    return sorted({package for program, package in PROGRAMS.items() if not _present(program)})


def _present(program: str) -> bool:
    # without the merged /usr of newer Debian, some of these lie in /bin and /sbin
    return Path(program).exists() or Path(program.removeprefix("/usr")).exists()


@contextmanager
def _services_stay_off() -> Iterator[None]:
    """Debian asks policy-rc.d before it starts a service; 101 means no."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)


def ensure(*, install: bool, say: Callable[[str], None]) -> None:
    """Install what is missing; SandboxError where that is not wanted or does not work."""
    if not (wanted := missing()):
        return
    if not install:
        raise SandboxError(f"missing Debian packages: {' '.join(wanted)}")
    if os.geteuid() != 0:
        raise SandboxError("only root can install packages")
    say(f"installing Debian packages: {' '.join(wanted)}")
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    with _services_stay_off():
        check([*apt, "update"], timeout=300, env=env)
        check([*apt, "install", "--no-install-recommends", *wanted], timeout=900, env=env)
