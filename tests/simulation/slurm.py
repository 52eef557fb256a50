"""slurmctld in memory: what it knows, what it does by itself, and every way in which it was seen to fail.

`SimSlurm` is the state machine; `tests.simulation.command_node` is how commands reach it.  Its outputs and times are
those of Slurm 22.05 in shared/facts, tests/recorded and the contract suite, tests/contract/slurm.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from tests.simulation.slurm_accounting import Accounting
from tests.simulation.slurm_job import USERS, Job, RefusedError, Request, User
from tests.simulation.slurm_life import Later, Pace, by_loop
from tests.simulation.slurm_nodes import Cluster
from tests.simulation.weather import CALM, Weather

__all__ = ["FAULTS", "PARTITIONS", "USERS", "Job", "Pace", "RefusedError", "Request", "SimSlurm", "User"]

FAULTS: Mapping[str, str] = {
    "slurm.sbatch-slow": "sbatch is told to try again later, and does so for up to two minutes by itself",
    "slurm.request-lost": "slurmctld never hears a request; the command says `Socket timed out` after ten seconds",
    "slurm.answer-lost": "slurmctld does what it is asked, and the command says `Socket timed out` all the same",
    "slurm.hangs-a-moment": "slurmctld takes up to half a minute over one request, whoever still waits for it",
    "slurm.squeue-garbage": "lines that are no rows stand among squeue's rows",
    "slurm.squeue-truncated": "the answer to a look ends after some rows, with exit code 0",
    "slurm.squeue-empty": "squeue fails, or the answer to a look ends before its first row",
    "slurm.config-fails": "`scontrol show config` fails where squeue did not: nobody knows what the site hides",
    "slurm.accounts-hang": "the command node's name service does not answer",
    "slurm.start-slow": "a job waits for minutes before it starts",
    "slurm.configuring": "its nodes must boot first: CONFIGURING for up to a minute",
    "slurm.launch-fails": "it ends before its script has begun: FAILED, JobLaunchFailure",
    "slurm.stubborn": "a job's processes ignore SIGTERM: COMPLETING until KillWait has passed",
    "slurm.completing-long": "COMPLETING for minutes after the processes are gone",
    "slurm.accounting-behind": "the accounting database hears of an end minutes later",
}


class SimSlurm(Cluster):
    """One slurmctld and all that hangs on it.  Methods without an underscore may be called at any time."""

    def __init__(
        self,
        wall: Callable[[], float],
        weather: Weather = CALM,
        pace: Pace | None = None,
        nodes: Iterable[str] = ("node1", "node2", "node3"),
        users: Iterable[User] = USERS,
        later: Later = by_loop,
    ) -> None:
        super().__init__(wall, weather, pace, nodes, self._when_serving)
        self.ghosts = []
        self.users = {user.name: user for user in users}
        """As the name service knows them."""
        self.operators = frozenset({"root", "slurm"})
        """Who sees all jobs whatever ``private_data`` says."""
        self.private_data: tuple[str, ...] = ()
        self.cluster_name = "sim"
        self.hanging = False
        self.dead = False
        self.next_id = 1
        self.submitted: list[Job] = []
        """Every job there ever was, forgotten ones too: for invariants."""
        self.accounting = Accounting(weather, later)
        self.on_final = self.accounting.note
        self._timer = later
        self._unsaved: list[Job] = []
        self._forgotten: list[Job] = []
        self._inbox: deque[Callable[[], Any]] = deque()
        self._missed: deque[Callable[[], Any]] = deque()

    # ---- what commands ask ------------------------------------------------------------------------------------

    def submit(self, request: Request) -> Job:
        """A new job; `RefusedError` in slurmctld's words."""
        if request.partition not in PARTITIONS:
            raise RefusedError("Invalid partition name specified")
        user = self.users.get(request.user)
        if user is None:
            raise RefusedError("Invalid user id")
        if request.partition == "group" and "project" not in user.groups:
            raise RefusedError("User's group not permitted to use this partition")
        if set(request.on) - self.nodes.keys():
            raise RefusedError("Invalid node name specified")
        job = Job(self.next_id, user.uid, request, submit_time=self.now(), held=request.hold, entered=self.time())
        self.next_id += 1
        self.jobs[job.job_id] = job
        self.submitted.append(job)
        self.enqueue(job)
        self.accounting.note(job)
        self.on_change()
        return job

    def cancel(self, job_id: int, user: str) -> None:
        """SIGKILL in Slurm's sense; `RefusedError` in slurmctld's words."""
        job = self.jobs.get(job_id)
        if job is None:
            raise RefusedError("Invalid job id specified")
        if user not in {job.user, *self.operators}:
            raise RefusedError("Access/permission denied")
        if job.state == "PENDING" and job.completing:
            self.cancel_requeued(job)
        elif job.state == "PENDING":
            self.cancel_pending(job)
        elif job.completing or job.over:
            raise RefusedError("Job/step already completing or completed")
        else:
            self.terminate(job, "CANCELLED", "None")

    def set_time(self, job_id: int, user: str, seconds: int) -> None:
        """Another time limit; `RefusedError` in slurmctld's words.

        Measured: an operator may do anything, beyond the partition's limit too; an owner may lower it and, while the
        job waits, raise it.
        """
        job = self.jobs.get(job_id)
        if job is None:
            raise RefusedError("Invalid job id specified")
        if user not in {job.user, *self.operators}:
            raise RefusedError("Invalid user id")
        if job.over or job.completing:
            raise RefusedError("Job has already finished")
        raises = job.request.time_limit is not None and seconds > job.request.time_limit
        if user not in self.operators and raises and (job.state != "PENDING" or job.request.partition == "short"):
            raise RefusedError("Access/permission denied")
        self.change_limit(job, seconds)
        self.on_limit(job)

    def seen_by(self, user: str) -> list[Job]:
        """What squeue shows to this user: by partition, state and id."""
        hidden = "jobs" in self.private_data and user not in self.operators
        jobs = [job for job in self.jobs.values() if not hidden or job.user == user]
        return sorted(jobs, key=lambda job: (job.request.partition, job.shown, job.job_id))

    def owner(self, job: Job) -> str:
        """As commands print it: ``nobody`` where the account is gone (measured)."""
        return job.user if job.user in self.users else "nobody"

    # ---- slurmctld itself -------------------------------------------------------------------------------------

    @property
    def serving(self) -> bool:
        """Whether slurmctld does anything."""
        return not (self.hanging or self.dead)

    def deliver(self, work: Callable[[], Any], after: float = 0.0) -> None:
        """A request arrives; one that finds slurmctld hanging is carried out once it goes on, whoever sent it."""
        if after:
            self._timer(after, partial(self.deliver, work))
        elif self.hanging and not self.dead:
            self._inbox.append(work)
        elif not self.dead:
            work()

    def hang(self, hanging: bool) -> None:
        """SIGSTOP and SIGCONT: connections are taken, nothing is answered; it catches up when it goes on."""
        self.hanging = hanging
        self._catch_up()

    def die(self, forgets: float = 0.0) -> None:
        """SIGKILL: what it was asked and did not do yet is lost; jobs run on.

        ``forgets``: seconds since it last saved its state.  A job that was submitted since is not known when slurmctld
        is back, though sbatch had its id, and the id is given again.  One that was started since is PENDING then, with
        the restart count that it had; its node ends the forgotten run.  (Measured: up to some seconds.)
        """
        saved = self.time() - forgets
        self._unsaved = [job for job in self.jobs.values() if job.entered > saved]
        self._forgotten = [job for job in self.jobs.values() if job.alive and job.entered <= saved < job.began]
        self.dead = True
        self._inbox.clear()
        self.on_change()

    def start(self) -> None:
        """slurmctld is started again, with the state that it had saved."""
        self.dead = self.hanging = False
        for job in self._unsaved:
            self._end_at_once(job)
            self.forget(job)
            self.next_id = min(self.next_id, job.job_id)
        for job in self._forgotten:
            self._forget_start(job)
        self._unsaved, self._forgotten = [], []
        self._catch_up()

    def _end_at_once(self, job: Job) -> None:
        """slurmctld does not know of a run, and its slurmd ends it."""
        if job.alive:
            job.alive = False
            self.on_end(job, job.run)

    def _forget_start(self, job: Job) -> None:
        self._end_at_once(job)
        job.hosts, job.start_time, job.end_time, job.status = (), None, None, 0
        self.step(job, "PENDING")
        self.enqueue(job)

    def reset(self) -> None:
        """Its state is lost: no job is known, ids begin again at 1; slurmds end what they run."""
        for job in self.jobs.values():
            job.turn += 1
            self._end_at_once(job)
        self.jobs.clear()
        self.next_id = 1
        self.on_change()

    def purge(self) -> None:
        """MinJobAge has passed for every job that has ended."""
        for job in [job for job in self.jobs.values() if job.over]:
            self.forget(job)

    # ---- administrators, users and bad luck -------------------------------------------------------------------

    def requeue(self, job_id: int) -> bool:
        """The site puts a running job back into the queue; False: there was no such."""
        job = self.jobs.get(job_id)
        if job is None or job.completing or job.state != "RUNNING":
            return False
        self.requeue_running(job)
        return True

    def release(self, job_id: int) -> None:
        """A held job, or one that waits for its begin time, may start now."""
        job = self.jobs[job_id]
        job.held, job.reason, job.start_time, job.end_time = False, "None", None, None
        self.step(job, job.state)
        self.enqueue(job)

    def wedge(self, job_id: int) -> None:
        """Its processes cannot be ended (they wait for a dead file system): COMPLETING for ever."""
        self.jobs[job_id].wedged = True

    def unwedge(self) -> None:
        """All processes can be ended again."""
        for job in [job for job in self.jobs.values() if job.wedged]:
            job.wedged = False
            if job.completing and job.alive:
                self.kill_run(job, job.run)
            elif job.completing:
                self.complete_soon(job)

    def vanish(self, user: str) -> None:
        """The account is deleted; its jobs go on, as nobody's."""
        self.users.pop(user, None)
        self.on_change()

    # ---- time -------------------------------------------------------------------------------------------------

    def _when_serving(self, delay: float, action: Callable[[], None]) -> object:
        return self._timer(delay, partial(self._due, action))

    def _due(self, action: Callable[[], None]) -> None:
        if self.serving:
            action()
        else:
            self._missed.append(action)

    def _catch_up(self) -> None:
        """First what was asked, then what came due."""
        for backlog in (self._inbox, self._missed):
            while backlog and self.serving:
                backlog.popleft()()
        self.on_change()


PARTITIONS = frozenset({"batch", "short", "gpu", "closed", "group"})
