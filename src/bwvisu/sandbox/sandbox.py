"""The sandbox as its users see it: up, down, and everything that can be done to a cluster between."""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bwvisu.sandbox import etcd, instance, network, private, processes, proxy, setup, status
from bwvisu.sandbox.etcd import EtcdAccess
from bwvisu.sandbox.hosts import Machine, cgroup_version
from bwvisu.sandbox.packages import ensure
from bwvisu.sandbox.render import settings
from bwvisu.sandbox.runner import SandboxError, environment, run
from bwvisu.sandbox.status import HostStatus
from bwvisu.sandbox.targets import Target, daemons_of, parse
from bwvisu.sandbox.topology import MIDDLEWARE, Address, Leg, Options, Topology


def _silent(_: str) -> None:
    """Nobody wants to be told."""


class Sandbox:
    """One running (or half-made) cluster.  Methods raise SandboxError when the world does not comply."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.folder = instance.folder_of(topology.options.name)
        self._machine = Machine(topology, self.folder, cgroup_version())

    # ---- life -------------------------------------------------------------------------------------------------

    @classmethod
    def up(cls, options: Options | None = None, *, say: Callable[[str], None] = _silent) -> Self:
        """Bring a cluster up, or complete one that is up already; ``say`` is told each step with its time.

        An instance left behind by a crash is removed first.  Other options than those of the living one: error.
        """
        options = options or Options()
        ensure(install=options.install, say=say)
        folder = instance.folder_of(options.name)
        if living := cls._living(options):
            with instance.locked(folder):
                living._complete(say)
            return living
        if instance.read(options.name):
            say("removing what an unfinished or crashed sandbox left behind")
            cls.load(options.name).down()
        box = cls(instance.claim(options))
        with instance.locked(folder):
            box._build(say)
        return box

    @classmethod
    def _living(cls, options: Options) -> Self | None:
        recorded = instance.read(options.name)
        if recorded is None or not recorded[1]:
            return None
        box = cls(recorded[0])
        if not any(box._machine.init(host) for host in box.topology.hosts):
            return None
        if box.topology.options != options:
            raise SandboxError(f"sandbox {options.name!r} is up with other options; take it down first")
        return box

    @classmethod
    def load(cls, name: str = "default") -> Self:
        """The instance of this name; SandboxError when there is none."""
        recorded = instance.read(name)
        if recorded is None:
            raise SandboxError(f"there is no sandbox {name!r}; `bwvisu sandbox up --name {name}` makes one")
        return cls(recorded[0])

    def _build(self, say: Callable[[str], None]) -> None:
        with _timed("files and keys", say):
            setup.write_files(self.topology, self.folder, cgroup_version())
        with _timed("networks", say):
            private.prepare(self.folder)
            network.prepare_kernel()
            network.lay(self.topology)
        self._boot_and_wait(say)
        instance.write(self.topology, complete=True)

    def _complete(self, say: Callable[[str], None]) -> None:
        for host, leg in network.pulled(self.topology):
            network.set_cables(self.topology, host, leg, plugged=True)
        for host in filter(self._machine.init, self.topology.hosts):
            self.resume(host)
            for daemon in daemons_of(self.topology, host):
                self.start(f"{host}:{daemon}")
        self._boot_and_wait(say)

    def _boot_and_wait(self, say: Callable[[str], None]) -> None:
        with _timed("hosts", say):
            dead = [host for host in self.topology.hosts.values() if not self._machine.init(host.name)]
            for host in dead:
                network.disconnect(self.topology, host)
            self._machine.boot(dead)
        with _timed("services", say):
            setup.wait_until_ready(self.topology, self._machine, self.etcd)

    def down(self) -> None:
        """Remove the cluster and every trace of it."""
        with instance.locked(self.folder):
            setup.dismantle(self.topology, self.folder, self._machine)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    # ---- what a client needs to know --------------------------------------------------------------------------

    @property
    def addresses(self) -> dict[str, Address]:
        """Inner, outer and fabric address of every host, and of this machine under ``middleware``."""
        return self.topology.addresses

    @property
    def addresses6(self) -> dict[str, Address]:
        """The same in IPv6; empty without it."""
        return self.topology.addresses6

    @property
    def middleware_address(self) -> str:
        """This machine in the inner network: where nodes reach the keyhole API."""
        address = self.addresses[MIDDLEWARE].inner
        assert address is not None  # noqa: S101 - the topology gives this machine an inner leg
        return address

    @property
    def key_file(self) -> Path:
        """Private key of the middleware's SSH account."""
        return self.folder / "ssh_key"

    @property
    def known_hosts(self) -> Path:
        """Host keys of command nodes and gateways, by inner address."""
        return self.folder / "known_hosts"

    @cached_property
    def etcd(self) -> EtcdAccess:
        """How to reach this instance's etcd."""
        return etcd.access(self.topology, self.folder)

    def settings(self) -> dict[str, object]:
        """Settings of bwvisu for this cluster (named ``main``), ready to be written as YAML."""
        return settings(
            self.topology, key_file=str(self.key_file), known_hosts=str(self.known_hosts), etcd=self.etcd.settings()
        )

    def log(self, host: str, daemon: str) -> str:
        """What a daemon of a host has written so far."""
        return (self._machine.disk(host) / "log" / daemon).read_text(errors="replace")

    # ---- programs on hosts ------------------------------------------------------------------------------------

    def command(self, node: str, argv: Sequence[str], *, user: str | None = None) -> list[str]:
        """The command line, for this machine, that runs a program on a host."""
        return self._machine.enter(node, argv, user)

    def run(
        self,
        node: str,
        argv: Sequence[str],
        *,
        user: str | None = None,
        input: str | None = None,  # noqa: A002 - as subprocess.run calls it
        timeout: float | None = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on a host, as root or ``user``; any exit code is an answer.

        Raises subprocess.TimeoutExpired after ``timeout`` seconds.
        """
        return run(self.command(node, argv, user=user), stdin=input, timeout=timeout)

    def popen(
        self, node: str, argv: Sequence[str], *, user: str | None = None, **streams: Any
    ) -> subprocess.Popen[str]:
        """Start a program on a host; ``streams`` go to subprocess.Popen.  It dies with its host."""
        command = self.command(node, argv, user=user)
        return subprocess.Popen(command, text=True, env=environment(), **streams)

    def start_proxy(self, gateway: str, files: Mapping[str, str]) -> None:
        """HAProxy on a gateway, now and after each of its boots; ``files``: what lies in its folder `proxy.FOLDER`.

        One of them is ``haproxy.cfg``.  `stop_proxy` ends it.
        """
        self.stop_proxy(gateway)
        proxy.install(self._machine.disk(gateway), files)
        self._machine.start_daemon(gateway, proxy.DAEMON)

    def stop_proxy(self, gateway: str) -> None:
        """No HAProxy there any more, and nothing left of it; none there: fine."""
        proxy.remove(self._machine.disk(gateway))
        processes.kill(self._machine.daemon(gateway, proxy.DAEMON))

    # ---- faults -----------------------------------------------------------------------------------------------

    def stop(self, target: str) -> None:
        """SIGKILL: a host with all its processes and its network at once, or one daemon (``cmd1:sshd``)."""
        wanted = self._target(target)
        if wanted.daemon:
            processes.kill(self._machine.daemon(wanted.host, wanted.daemon))
        else:
            self._machine.kill(self.topology.hosts[wanted.host])

    def start(self, target: str) -> None:
        """Boot a host that is not up, or start a daemon that does not run; otherwise nothing."""
        wanted = self._target(target)
        host = self.topology.hosts[wanted.host]
        if wanted.daemon:
            if not self._machine.daemon(wanted.host, wanted.daemon):
                self._machine.start_daemon(wanted.host, wanted.daemon)
        elif not self._machine.init(wanted.host):
            network.disconnect(self.topology, host)
            self._machine.boot([host])

    def reboot(self, node: str) -> None:
        """Stop and start a host: new boot, empty firewall, /tmp and /run gone; homes and spools stay."""
        self.stop(node)
        self.start(node)

    def partition(self, node: str, leg: str | None = None) -> None:
        """Pull a host's cables (``inner``, ``outer``, ``fabric``; all by default); ``middleware`` is this machine."""
        network.set_cables(self.topology, node, Leg(leg) if leg else None, plugged=False)

    def heal(self, node: str, leg: str | None = None) -> None:
        """Plug them in again."""
        network.set_cables(self.topology, node, Leg(leg) if leg else None, plugged=True)

    def pause(self, target: str) -> None:
        """SIGSTOP all processes of a host or of a daemon; the kernel still accepts connections."""
        wanted = self._target(target)
        self._machine.freeze(wanted.host, wanted.daemon)

    def resume(self, target: str) -> None:
        """SIGCONT them."""
        wanted = self._target(target)
        self._machine.thaw(wanted.host, wanted.daemon)

    def _target(self, text: str) -> Target:
        return parse(self.topology, text)

    # ---- looking ----------------------------------------------------------------------------------------------

    @staticmethod
    def names() -> list[str]:
        """All instances that are up, or of which something is left."""
        return instance.names()

    def status(self) -> list[HostStatus]:
        """One row per host, in the order in which they boot."""
        return status.look(self.topology, self._machine)


@contextmanager
def _timed(step: str, say: Callable[[str], None]) -> Iterator[None]:
    begin = time.monotonic()
    yield
    say(f"{step}: {time.monotonic() - begin:.1f} s")
