"""Compute nodes that die, are cut off and come back, and what becomes of the jobs on them.

Measured (22.05): nothing happens before SlurmdTimeout; then NODE_FAIL, or PENDING again.  Processes on a node that is
merely cut off live on until it is back.  A node that reboots sooner does not tell of a job younger than ten seconds: it
stays RUNNING, without a process, until its time limit.
"""

from functools import partial

from tests.simulation.slurm_job import Compute, Job
from tests.simulation.slurm_life import Life

YOUNG = 10.0
"""BatchStartTimeout, seconds."""


class Cluster(Life):
    """`Life`, with nodes that fail.  Methods are hands for chaos."""

    ghosts: list[tuple[Compute, Job, int]]
    """Runs whose jobs slurmctld believes to be over, whose processes live on a node that is cut off."""

    def kill_node(self, name: str) -> None:
        """Power off: processes are gone at once, and nobody tells slurmctld."""
        node = self.nodes[name]
        node.up = False
        self._bury(node)
        for job in self._on(node):
            job.unreported = False
            if job.alive and job.hosts[0] == name:
                job.alive = False
                self.on_end(job, job.run)
        self._begin_silence(node)

    def cut_node(self, name: str) -> None:
        """slurmctld and the node lose each other; its processes go on."""
        self.nodes[name].cut = True
        self._begin_silence(self.nodes[name])

    def revive_node(self, name: str) -> None:
        """Power and network are back, and slurmd registers."""
        node = self.nodes[name]
        rebooted = not node.up
        node.up, node.cut, node.silent_since = True, False, None
        self._bury(node)
        self.later(0.0, partial(self._registered, node, rebooted))

    def _registered(self, node: Compute, rebooted: bool) -> None:
        node.down = False
        for job in self._on(node):
            if job.completing or job.unreported:
                self._go_on_ending(job)
            elif rebooted and job.state == "RUNNING" and self.time() - job.began >= YOUNG:
                self._haunt(job)
                self._fail(job, "None")
        self.on_change()

    def _go_on_ending(self, job: Job) -> None:
        """What could not be said or done while its node was away."""
        if job.alive and not job.wedged:
            self.later(self.pace.kill_wait, partial(self.kill_run, job, job.run))
            self.on_term(job)
        elif not job.alive:
            self.processes_gone(job)

    def _begin_silence(self, node: Compute) -> None:
        since = node.silent_since = self.time()
        self.later(self.pace.slurmd_timeout, partial(self._check, node, since))
        self.on_change()

    def _check(self, node: Compute, since: float) -> None:
        if node.silent_since != since or node.reachable:
            return
        node.down = True
        for job in self._on(node):
            self._haunt(job)
            if job.completing:
                job.wedged = False
                self.complete_soon(job)
            elif job.state in {"RUNNING", "CONFIGURING"}:
                self._fail(job, "NodeDown")
        self.on_change()

    def _haunt(self, job: Job) -> None:
        """slurmctld gives the run up: processes within its reach end, others live on."""
        host = self.nodes[job.hosts[0]]
        if job.alive and not host.reachable:
            self.ghosts.append((host, job, job.run))
        elif job.alive:
            self.on_end(job, job.run)
        job.alive = job.unreported = False

    def _fail(self, job: Job, reason: str) -> None:
        """NODE_FAIL at once, or PENDING again."""
        if job.request.requeue or self.site_requeues:
            job.restarts += 1
            self.begin_again(job)
            return
        job.reason, job.end_time = reason, self.now()
        self.step(job, "NODE_FAIL")
        self.completed(job)

    def _on(self, node: Compute) -> list[Job]:
        return [job for job in self.jobs.values() if node.name in job.hosts and not job.over]

    def _bury(self, node: Compute) -> None:
        """The ghosts on a node are ended."""
        for host, job, run in [ghost for ghost in self.ghosts if ghost[0] is node]:
            self.ghosts.remove((host, job, run))
            self.on_end(job, run)
