"""Two clusters that obey the same hands: one simulated, one of real daemons."""

import asyncio
import contextlib
import re
import time
from collections.abc import Iterator
from typing import Protocol

from bwvisu.adapters.ssh import Node, SshPool, SshSettings, Wire
from bwvisu.sandbox import Sandbox
from tests.simulation.command_node import SimCommandNode
from tests.simulation.slurm import Job, Pace, SimSlurm
from tests.simulation.ssh import SimPool
from tests.simulation.weather import CALM
from tests.support.waiting import until

SLEEP = b"#!/bin/sh\nsleep 300\n"
STUBBORN = b"#!/bin/sh\ntrap '' TERM\necho deaf\nwhile :; do sleep 1; done\n"


class Site(Protocol):
    """A cluster with alice, bob, carol and mallory, of whom sudo lets us act for all but mallory."""

    wire: Wire
    nodes: list[Node]

    def deaf(self, job_id: int) -> bool:
        """Whether a `STUBBORN` script of alice has come so far as to ignore SIGTERM."""
        ...

    def saved(self, name: str) -> bool:
        """Whether slurmctld has written this job to its disk: killed before, it forgets it and gives its id again."""
        ...

    def hang(self, hanging: bool) -> None:
        """slurmctld is stopped, or goes on."""
        ...

    def power(self, on: bool) -> None:
        """slurmctld is killed, or started again."""
        ...

    def requeue(self, job_id: int) -> None:
        """The site puts a running job back, though sbatch was told ``--no-requeue``."""
        ...

    def start_now(self, job_id: int) -> None:
        """A job that waits for its begin time need not wait any longer."""
        ...

    def hidden(self) -> contextlib.AbstractContextManager[None]:
        """``PrivateData=jobs``."""
        ...

    def forgetful(self) -> contextlib.AbstractContextManager[None]:
        """Jobs that have ended are purged within seconds."""
        ...

    def without_user(self, name: str) -> contextlib.AbstractContextManager[None]:
        """The command nodes do not know this account."""
        ...

    async def aclose(self) -> None:
        """Leave it as it was."""
        ...


class Simulated:
    """The double, in calm weather; its scripts are told apart by their texts."""

    def __init__(self) -> None:
        pace = Pace(complete=(0.3, 0.3), kill_wait=2.0, begin_again=60.0)
        self.slurm = SimSlurm(time.time, pace=pace)
        self.slurm.on_start = self._play
        self.slurm.on_term = self._term
        self.nodes = [Node(name, "bwvisu") for name in ("cmd1", "cmd2")]
        self.wire: Wire = SimPool({node.host: SimCommandNode(node.host, self.slurm) for node in self.nodes}, CALM)

    def _play(self, job: Job) -> None:
        if code := re.search(rb"^exit (\d+)$", job.request.script, re.MULTILINE):
            asyncio.get_running_loop().call_soon(self.slurm.finish, job.job_id, int(code[1]))

    def _term(self, job: Job) -> None:
        if b"trap" not in job.request.script:
            self.slurm.finish(job.job_id, signal=15)

    def deaf(self, job_id: int) -> bool:
        return self.slurm.jobs[job_id].alive

    def saved(self, name: str) -> bool:
        return any(job.name == name for job in self.slurm.jobs.values())

    def hang(self, hanging: bool) -> None:
        self.slurm.hang(hanging)

    def power(self, on: bool) -> None:
        if on:
            self.slurm.start()
        else:
            self.slurm.die()

    def requeue(self, job_id: int) -> None:
        assert self.slurm.requeue(job_id)

    def start_now(self, job_id: int) -> None:
        self.slurm.release(job_id)

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        self.slurm.private_data = ("jobs",)
        yield
        self.slurm.private_data = ()

    @contextlib.contextmanager
    def forgetful(self) -> Iterator[None]:
        self.slurm.purge()
        yield

    @contextlib.contextmanager
    def without_user(self, name: str) -> Iterator[None]:
        self.slurm.vanish(name)
        yield

    async def aclose(self) -> None:
        await self.wire.aclose()


class Real:
    """The sandbox cluster, which other tests use after us."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.nodes = [Node(str(sandbox.addresses[name].inner), "bwvisu") for name in ("cmd1", "cmd2")]
        settings = SshSettings(sandbox.key_file, sandbox.known_hosts, backoff_first=0.2, backoff_limit=1.0)
        self.wire: Wire = SshPool(settings)

    def deaf(self, job_id: int) -> bool:
        return "deaf" in self.sandbox.run("cmd1", ["cat", f"/home/alice/out-{job_id}"]).stdout

    def saved(self, name: str) -> bool:
        return self.sandbox.run("ctl", ["grep", "--quiet", name, "/run/disk/state/job_state"]).returncode == 0

    def hang(self, hanging: bool) -> None:
        (self.sandbox.pause if hanging else self.sandbox.resume)("slurmctld")

    def power(self, on: bool) -> None:
        if not on:
            self.sandbox.stop("slurmctld")
            return

        def answers() -> bool:
            self.sandbox.start("slurmctld")  # again where it died at once: its port may not be free yet
            return self.sandbox.run("ctl", ["squeue", "--noheader"]).returncode == 0

        until(answers, 60, "slurmctld answers")

    def requeue(self, job_id: int) -> None:
        self._ctl("scontrol", "update", f"JobId={job_id}", "Requeue=1")
        self._ctl("scontrol", "requeue", str(job_id))

    def start_now(self, job_id: int) -> None:
        self._ctl("scontrol", "update", f"JobId={job_id}", "StartTime=now")

    def hidden(self) -> contextlib.AbstractContextManager[None]:
        return self._configured("PrivateData=jobs")

    def forgetful(self) -> contextlib.AbstractContextManager[None]:
        return self._configured("MinJobAge=2")

    @contextlib.contextmanager
    def without_user(self, name: str) -> Iterator[None]:
        before = self.sandbox.run("cmd1", ["cat", "/etc/passwd"]).stdout
        rest = "".join(line for line in before.splitlines(keepends=True) if not line.startswith(f"{name}:"))
        self._write(("cmd1", "cmd2"), "/etc/passwd", rest)
        try:
            yield
        finally:
            self._write(("cmd1", "cmd2"), "/etc/passwd", before)

    @contextlib.contextmanager
    def _configured(self, line: str) -> Iterator[None]:
        path = "/etc/slurm/slurm.conf"
        before = self.sandbox.run("ctl", ["cat", path]).stdout
        key = line.partition("=")[0]
        others = [each for each in before.splitlines() if not each.startswith(f"{key}=")]
        self._write(("ctl",), path, "\n".join([line, *others]) + "\n")
        self._ctl("scontrol", "reconfigure")
        try:
            yield
        finally:
            self._write(("ctl",), path, before)
            self._ctl("scontrol", "reconfigure")

    def _write(self, hosts: tuple[str, ...], path: str, text: str) -> None:
        for host in hosts:
            assert self.sandbox.run(host, ["sh", "-c", 'cat > "$1"', "sh", path], input=text).returncode == 0

    def _ctl(self, *argv: str) -> None:
        done = self.sandbox.run("ctl", argv)
        assert done.returncode == 0, done.stderr

    async def aclose(self) -> None:
        for user in ("alice", "bob", "carol"):
            self.sandbox.run("ctl", ["scancel", f"--user={user}"])
        await self.wire.aclose()
