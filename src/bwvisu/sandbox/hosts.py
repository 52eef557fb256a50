"""Boot and end of one host: the namespaces, the init process that holds them, and entering them."""

import shlex
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from bwvisu.sandbox import network, private, processes
from bwvisu.sandbox.runner import SandboxError, detach, run, wait_for
from bwvisu.sandbox.topology import Host, Topology

_BOOT = 60.0
"""Seconds; an idle machine needs one for all hosts together."""
_LET_GO = 30.0
"""Seconds until the kernel has let go of processes that were killed; on an idle machine none."""


class Machine:
    """The hosts of one instance, alive or not."""

    def __init__(self, topology: Topology, folder: Path, cgroups: int) -> None:
        self._topology = topology
        self._folder = folder
        self._init = str(folder / "init.sh")
        self._cgroups = cgroups

    def disk(self, host: str) -> Path:
        """What of a host outlives its death; the host sees it as /run/disk."""
        return self._folder / "hosts" / host

    def init(self, host: str) -> int | None:
        """The process id of the host's init as seen from here, or None when the host is not up."""
        try:
            pid = int((self.disk(host) / "pid").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid if {self._init, host} <= set(processes.arguments(pid)) else None

    def alive(self, host: str) -> int:
        """Like ``init``; SandboxError when the host is not up."""
        pid = self.init(host)
        if pid is None:
            raise SandboxError(f"{host} is not up")
        return pid

    def boot(self, hosts: Iterable[Host]) -> None:
        """Start hosts side by side, each with a fresh network, and wait until their daemons have been started."""
        hosts = list(hosts)
        network.connect(self._topology, hosts)
        for host in hosts:
            (self.disk(host.name) / "pid").unlink(missing_ok=True)
            detach(self._boot_command(host), log=str(self.disk(host.name) / "log" / "init"))
        for host in hosts:
            self._wait_for_boot(host.name)

    def _wait_for_boot(self, host: str) -> None:
        log = self.disk(host) / "log" / "init"
        try:
            wait_for(f"boot of {host}", lambda: self._booted(host), within=_BOOT, every=0.02)
        except SandboxError as error:
            raise SandboxError(f"{error}: {log.read_text()[-2000:]}") from error

    def _booted(self, host: str) -> bool:
        if self.init(host) is not None:
            return True
        try:
            # Between two programs of its boot (execve) a process has no arguments; long, on a busy machine.
            wait_for("a sign of life", lambda: self._starting(host), within=2)
        except SandboxError as error:
            raise SandboxError(f"{host} died while it booted") from error
        return False

    def _starting(self, host: str) -> bool:
        return any(host in processes.arguments(pid) for pid in processes.with_argument(self._init))

    def _boot_command(self, host: Host) -> list[str]:
        enter = [f"--net=/run/netns/{self._topology.namespace(host.name)}"] if host.kind.own_network else []
        unshare = [*private.unshare(), "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
        stage = "chroot" if private.in_chroot() else "cgroup"
        inside = ["/bin/bash", self._init, str(self._folder), host.name, str(self._cgroups), stage]
        return ["nsenter", *enter, *unshare, *inside]

    def kill(self, host: Host) -> None:
        """End all of the host's processes at once, and its network with them."""
        pid = self.init(host.name)
        if pid is not None:
            processes.kill([pid])
        network.disconnect(self._topology, host)

    def kill_everything(self) -> None:
        """End every process that holds a namespace of this instance, recorded or not."""
        processes.kill(processes.with_argument(self._init))

    def remove_cgroups(self) -> None:
        """Remove the instance's cgroups once nothing is alive in them.

        What was killed may hold its cgroup for a while yet: rmdir(2) says EBUSY until it has been reaped.
        """
        script = str(self._folder / "remove-cgroups.sh")
        argv = [*private.unshare(), "/bin/bash", script, self._topology.prefix, str(self._cgroups)]
        deadline = time.monotonic() + _LET_GO
        while (done := run(argv)).returncode != 0:
            if time.monotonic() > deadline:
                raise SandboxError(f"cannot remove cgroups: {done.stderr.strip()}")
            time.sleep(0.1)

    def start_daemon(self, host: str, name: str) -> None:
        """Ask the host's init to start a daemon."""
        self.alive(host)
        with (self.disk(host) / "start").open("w") as pipe:
            pipe.write(f"{name}\n")
        wait_for(f"{name} of {host}", lambda: bool(self.daemon(host, name)), within=_BOOT)

    def daemon(self, host: str, name: str) -> list[int]:
        """The processes of that name on a host; empty when there is none or the host is not up."""
        pid = self.init(host)
        return processes.inside(pid, name) if pid is not None else []

    def freeze(self, host: str, name: str | None = None) -> None:
        """SIGSTOP all processes of a host, or all of one name."""
        processes.freeze(self.alive(host), name)

    def thaw(self, host: str, name: str | None = None) -> None:
        """SIGCONT them."""
        processes.send(processes.inside(self.alive(host), name), signal.SIGCONT)

    def enter(self, host: str, argv: Sequence[str], user: str | None) -> list[str]:
        """The command that runs ``argv`` on a host as a user (root by default), in the home where there is one."""
        pid = self.alive(host)
        who = user or "root"
        namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd=/"]
        become = ["setpriv", f"--reuid={who}", f"--regid={who}", "--init-groups", "--reset-env"]
        home = ["/bin/sh", "-c", f'cd "$HOME" 2>/dev/null || cd /; exec {shlex.join(argv)}']
        return ["nsenter", f"--target={pid}", *namespaces, "--", *become, *home]


def cgroup_version() -> int:
    """1 or 2: which hierarchy the memory controller is bound to.  Source: cgroups(7), /proc/cgroups."""
    for line in Path("/proc/cgroups").read_text().splitlines():
        name, hierarchy, _, enabled = line.split()[:4]
        if name == "memory" and enabled == "1":
            return 2 if hierarchy == "0" else 1
    raise SandboxError("this kernel has no memory cgroup, so Slurm cannot hold jobs to their memory")
