"""What a sandbox leaves on this machine: nothing, once it is down."""

import subprocess
from pathlib import Path

from bwvisu.sandbox.hosts import cgroup_version
from tests.support.waiting import until


def traces(number: int, name: str) -> dict[str, list[str]]:
    """Everything of an instance that this machine knows of."""
    prefix, folder = f"bwv{number}-", f"/run/bwvisu-sandbox/{name}"
    listing = {
        "namespaces": ["ip", "netns", "list"],
        "links": ["ip", "-oneline", "link"],
        "mounts": ["cat", "/proc/self/mountinfo"],
        "processes": ["ps", "-ewwo", "pid=,args="],
    }
    found = {
        what: [line for line in subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
               if prefix in line or f"{folder}/" in f"{line} "]
        for what, argv in listing.items()
    }  # fmt: skip
    found["cgroups"] = cgroups(f"bwv{number}")
    found["folders"] = [path for path in (folder, f"/var/lib/bwvisu-sandbox/{name}") if Path(path).exists()]
    return found


def assert_no_traces(number: int, name: str) -> None:
    """The kernel takes a network namespace apart after its last process has ended, in its own time."""
    until(lambda: not any(traces(number, name).values()), 30, "it leaves no trace")


def cgroups(name: str) -> list[str]:
    """The instance's cgroups in every hierarchy in which it makes some."""
    kinds = ["cgroup2"] if cgroup_version() == 2 else ["cgroup -o memory", "cgroup -o freezer"]
    script = "".join(f"mount -n -t {kind} none /tmp && ls -d /tmp/{name}; umount /tmp;" for kind in kinds)
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False
    ).stdout.split()
