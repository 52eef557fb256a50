"""What hosts do and carry, counted from outside: Slurm's calls and jobs, gateways' rule sets, rules and connections."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bwvisu.sandbox import Sandbox
from tests.support.world import PORTS, forwards

GATEWAYS = ("gw1", "gw2")


class Transactions:
    """Counts the rule sets that gateways' kernels take: each has a number of its own (nft(8), monitor)."""

    def __init__(self, box: Sandbox) -> None:
        self._box = box
        self._files = {gateway: box.folder / f"{gateway}.monitor" for gateway in GATEWAYS}
        self._monitors: list[subprocess.Popen[str]] = []

    def __enter__(self) -> "Transactions":
        for gateway, path in self._files.items():
            with path.open("w") as file:
                self._monitors.append(self._box.popen(gateway, ["nft", "monitor"], stdout=file))
        return self

    def __exit__(self, *_: object) -> None:
        for monitor in self._monitors:
            monitor.terminate()
            monitor.wait(10)

    def __len__(self) -> int:
        """So many since the monitors began, on all gateways together."""
        return sum(map(self.on, self._files))

    def on(self, gateway: str) -> int:
        """So many on one of them."""
        return len(re.findall("^# new generation", self._files[gateway].read_text(), re.MULTILINE))


class Visitor:
    """A client beside the cluster that opens a connection to each of many addresses, and keeps them."""

    _CODE = """
import socket, sys
addresses = [line.split() for line in iter(sys.stdin.readline, "\\n")]
doors = [socket.create_connection((host, int(port)), timeout=20) for host, port in addresses]
for door in doors:
    print(door.makefile().readline().strip(), flush=True)
sys.stdin.readline()
"""

    def __init__(self, box: Sandbox, addresses: Sequence[str]) -> None:
        self._box = box
        self._addresses = addresses
        self.heard: dict[str, str] = {}
        """What each address said."""

    def __enter__(self) -> "Visitor":
        argv = ["/usr/bin/python3", "-c", self._CODE]
        self._process = self._box.popen("outside", argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin
        assert self._process.stdout
        lines = [address.replace(":", " ") + "\n" for address in self._addresses]
        self._process.stdin.write("".join(lines) + "\n")
        self._process.stdin.flush()
        self.heard = {address: self._process.stdout.readline().strip() for address in self._addresses}
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate(timeout=10)


def looks(box: Sandbox) -> int:
    """How often slurmctld gave out its whole queue since it was started, or since midnight UTC: sdiag(1)."""
    found = re.search(r"^\s*REQUEST_JOB_INFO\s.*count:(\d+)", box.run("cmd2", ["sdiag"]).stdout, re.MULTILINE)
    return int(found[1]) if found else 0


def submissions(box: Sandbox) -> int:
    """How many batch jobs slurmctld has accepted since the cluster is up, whatever their names."""
    return len(re.findall(r"_slurm_rpc_submit_batch_job: JobId=\d+", box.log("ctl", "slurmctld")))


def queue(box: Sandbox) -> dict[str, str]:
    """Slurm job id -> name of all that are not over, whosever."""
    shown = box.run("cmd2", ["squeue", "-h", "-o", "%i|%j"])
    assert shown.returncode == 0, shown.stderr
    rows = (line.partition("|") for line in shown.stdout.splitlines())
    return {job_id: name for job_id, _, name in rows}


def rules(box: Sandbox) -> dict[str, str]:
    """``address:port`` outside -> ``address:port`` inside, of all gateways."""
    return {
        f"{box.addresses[gateway].outer}:{port}": target
        for gateway in GATEWAYS
        for port, target in forwards(box, gateway).items()
    }


def flows(box: Sandbox) -> list[str]:
    """Connections that gateways lead from our ports to the inside."""
    listed = [box.run(gateway, ["conntrack", "-L", "-p", "tcp", "--dst-nat"]).stdout for gateway in GATEWAYS]
    found = [(line, re.search(r"dport=(\d+)", line)) for text in listed for line in text.splitlines()]
    return [line for line, port in found if port and PORTS[0] <= int(port[1]) <= PORTS[1]]


def used_memory() -> int:
    """Bytes of this machine's memory that are not available."""
    facts = dict(re.findall(r"^(\w+): +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE))
    return (int(facts["MemTotal"]) - int(facts["MemAvailable"])) << 10
