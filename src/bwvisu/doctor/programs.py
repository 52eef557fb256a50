"""Whether a machine has the programs that the services' texts run there, and which package brings what is missing."""

from collections.abc import Iterable, Mapping

from bwvisu.doctor.facts import Said, paths
from bwvisu.doctor.findings import ROOT, Finding, fault, ok

COMMAND_NODE = (
    *("sbatch", "squeue", "scancel", "scontrol", "sudo"),
    *("timeout", "head", "sha256sum", "getent", "id", "sed", "grep", "date"),
)
GATEWAY = ("flock", "xargs", "getent", "timeout", "awk", "sed", "sort", "uniq", "cut", "tr", "sync")
_PACKAGES: Mapping[str, str] = {
    "sbatch": "slurm-client",
    "squeue": "slurm-client",
    "scancel": "slurm-client",
    "scontrol": "slurm-client",
    "sacct": "slurm-client",
    "sudo": "sudo",
    "getent": "libc-bin",
    "sed": "sed",
    "grep": "grep",
    "awk": "mawk",
    "flock": "util-linux",
    "xargs": "findutils",
    "nc": "netcat-openbsd",
    "conntrack": "conntrack",
    "nft": "nftables",
    "iptables-save": "iptables",
    "python3": "python3",
}
"""Debian 12's; everything else is of coreutils."""


def install(*programs: str) -> str:
    """The line for root that brings them."""
    packages = sorted({_PACKAGES.get(each, "coreutils") for each in programs})
    return f"apt-get install {' '.join(packages)}"


def judge(said: Said, wanted: Iterable[str]) -> Finding:
    """Whether all are there."""
    found = paths(said)
    missing = [each for each in wanted if not found.get(each)]
    if not missing:
        return ok("programs", f"{len(found)} found")
    return fault("programs", f"not there: {', '.join(missing)}", ROOT, install(*missing))


def lacks_timeout() -> Finding:
    """Without it nothing of ours can be run."""
    return fault("programs", "not there: timeout", ROOT, install("timeout"))
