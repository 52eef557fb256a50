"""The life of jobs in slurmctld: from PENDING to the end, by the times and words that were measured (22.05).

Synchronous; time passes only by ``later``.  Whatever slurmctld does by itself goes through it, and waits while
slurmctld is stopped or dead.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextvars import Context
from dataclasses import dataclass, replace
from functools import partial

from tests.simulation.slurm_job import Compute, Job
from tests.simulation.weather import CALM, Weather

Later = Callable[[float, Callable[[], None]], object]
"""Seconds from now, and what to do then."""
TERM, KILL = 15, 9
SHORT = 60
"""Seconds that the partition ``short`` allows."""
LAUNCH_FAILED = 4021
"""squeue's exit code of a job that could not be started; scontrol makes 0:53 of it."""


def by_loop(delay: float, action: Callable[[], None]) -> object:
    """A timer that belongs to the world: it outlives the process that made it."""
    return asyncio.get_running_loop().call_later(delay, action, context=Context())


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds; the defaults are Slurm's own.  Pairs are ranges that the weather draws from."""

    start: tuple[float, float] = (0.1, 4.0)
    complete: tuple[float, float] = (0.05, 1.7)
    """COMPLETING once all processes have ended."""
    kill_wait: float = 30.0
    min_job_age: float = 300.0
    purge: tuple[float, float] = (0.0, 60.0)
    """What the purge needs beyond MinJobAge."""
    slurmd_timeout: float = 300.0
    begin_again: float = 121.0
    """From a requeue to the next start, at the least."""
    overtime: tuple[float, float] = (0.0, 30.0)
    """Between a time limit and its effect."""
    message_timeout: float = 10.0
    contact: float = 9.0
    """How long a command tries to reach a slurmctld that is not there."""


class Life:
    """Jobs and nodes; what the world hooks on to them."""

    def __init__(
        self,
        wall: Callable[[], float],
        weather: Weather = CALM,
        pace: Pace | None = None,
        nodes: Iterable[str] = ("node1", "node2", "node3"),
        later: Later = by_loop,
    ) -> None:
        self.jobs: dict[int, Job] = {}
        """What slurmctld knows, purged jobs not among it."""
        self.nodes = {name: Compute(name) for name in nodes}
        self.pace = pace or Pace()
        self.weather = weather
        self.site_requeues = False
        """The site requeues the jobs of a dead node, whatever sbatch said (a job_submit plugin's doing)."""
        self.on_start: Callable[[Job], None] = lambda _: None
        """A run begins: play its script, on ``job.hosts``, as ``job.run``."""
        self.on_term: Callable[[Job], None] = lambda job: self.finish(job.job_id, signal=TERM)
        """SIGTERM for the run's processes; by default they obey at once.  After KillWait comes `on_end`."""
        self.on_end: Callable[[Job, int], None] = lambda _job, _run: None
        """That run's processes are no more: once per run, however it ended, also after `finish`."""
        self.on_change: Callable[[], None] = lambda: None
        self.on_limit: Callable[[Job], None] = lambda _: None
        """A job was given another time limit."""
        self.on_asked: Callable[[str], None] = lambda _: None
        """An sbatch for a job of this name begins."""
        self.on_told: Callable[[str, int | None], None] = lambda _name, _status: None
        """It is over, with this exit status; None: it was killed."""
        self.on_looked: Callable[[str, float], None] = lambda _mark, _began: None
        """A look that began at this loop time was printed whole, with all that there is."""
        self.on_final: Callable[[Job], None] = lambda _: None
        """A job has ended for good (the accounting's source)."""
        self._wall = wall
        self.later = later

    def now(self) -> int:
        """Slurm's clock: whole Unix seconds."""
        return int(self._wall())

    def finish(self, job_id: int, exit_code: int = 0, *, signal: int = 0, run: int | None = None) -> None:
        """The batch script has ended by itself; nothing happens where that run has no processes any more."""
        job = self.jobs.get(job_id)
        if job is None or not job.alive or job.wedged or (run is not None and run != job.run):
            return
        job.status = exit_code << 8 | signal
        self.processes_gone(job)

    # ---- starting ---------------------------------------------------------------------------------------------

    def enqueue(self, job: Job) -> None:
        """Let the scheduler see a pending job."""
        if job.held:
            job.reason = "JobHeldUser"
            return
        slow = self.weather.strikes("slurm.start-slow")
        delay = self.weather.between(30.0, 300.0) if slow else self.weather.between(*self.pace.start)
        self._after(delay, job, self._try_start)

    def _try_start(self, job: Job) -> None:
        request = job.request
        free = [node for node in self.nodes.values() if self._takes(node, job)][: request.nodes]
        if why := self._why_not(job, len(free)):
            job.reason = why
            self._after(5.0, job, self._try_start)
            return
        job.hosts = tuple(node.name for node in free)
        job.reason, job.start_time = "None", self.now()
        job.end_time = self._limit_from(job)
        if self.weather.strikes("slurm.configuring"):
            self.step(job, "CONFIGURING")
            self._after(self.weather.between(1.0, 60.0), job, self._start)
        else:
            self._start(job)

    def _why_not(self, job: Job, free: int) -> str:
        """Slurm's word for what keeps a job from starting (it accepts jobs that can never run: measured)."""
        request = job.request
        if request.partition == "closed":
            return "PartitionDown"
        if request.nodes > len(self.nodes):
            return "PartitionNodeLimit"
        if request.partition == "short" and (request.time_limit is None or request.time_limit > SHORT):
            return "PartitionTimeLimit"
        return "Resources" if free < request.nodes else ""

    def _takes(self, node: Compute, job: Job) -> bool:
        if node.down or (job.request.on and node.name not in job.request.on):
            return False
        return sum(node.name in other.hosts for other in self.jobs.values() if not other.over) < node.slots

    def _limit_from(self, job: Job) -> int | None:
        limit = job.request.time_limit
        return None if limit is None or job.start_time is None else job.start_time + limit

    def _start(self, job: Job) -> None:
        """RUNNING; with processes, unless the node has died meanwhile."""
        job.run = job.restarts
        job.began = self.time()
        self.step(job, "RUNNING")
        if self.weather.strikes("slurm.launch-fails"):
            self._end(job, "FAILED", "JobLaunchFailure", LAUNCH_FAILED)
            return
        if job.request.time_limit is not None:
            self._after(job.request.time_limit + self.weather.between(*self.pace.overtime), job, self._time_out)
        if all(self.nodes[host].reachable for host in job.hosts):
            job.alive = True
            self.on_start(job)

    # ---- ending -----------------------------------------------------------------------------------------------

    def _time_out(self, job: Job) -> None:
        if job.end_time is None or job.end_time <= self.now():  # else it was given more time
            self.terminate(job, "TIMEOUT", "TimeLimit")

    def change_limit(self, job: Job, seconds: int) -> None:
        """A run's end moves with its limit, though never into the past (measured)."""
        job.request = replace(job.request, time_limit=seconds)
        end = self._limit_from(job)
        if job.state == "PENDING" or end is None:
            return
        job.end_time = max(end, self.now())
        if job.state == "RUNNING":
            self._after(job.end_time - self.now() + self.weather.between(*self.pace.overtime), job, self._time_out)

    def terminate(self, job: Job, state: str, reason: str) -> None:
        """End a run: TERM now, KILL after KillWait; COMPLETING until its processes are gone and its nodes say so."""
        job.reason, job.completing = reason, True
        if state != "PENDING":
            job.end_time = self.now()
        self.step(job, state)
        if not job.alive:
            self.processes_gone(job)
        elif self.reachable(job):
            self.later(self.pace.kill_wait, partial(self.kill_run, job, job.run))
            if not self.weather.strikes("slurm.stubborn"):
                self.on_term(job)

    def kill_run(self, job: Job, run: int) -> None:
        """SIGKILL for the processes of a run that is being ended."""
        if job.alive and job.run == run and job.completing and not job.wedged and self.reachable(job):
            job.status = KILL
            self.processes_gone(job)

    def reachable(self, job: Job) -> bool:
        """Whether slurmctld can talk to all of its nodes."""
        return all(self.nodes[host].reachable for host in job.hosts)

    def processes_gone(self, job: Job) -> None:
        """The run's processes have ended; slurmctld hears of it as soon as the node can tell."""
        if job.alive:
            job.alive = False
            self.on_end(job, job.run)
        if not self.reachable(job):
            job.unreported = True
            return
        job.unreported = False
        self.later(0.0, partial(self._while_same, job, job.turn, self._reported))

    def _reported(self, job: Job) -> None:
        """slurmctld learns that a run is over."""
        if job.state == "RUNNING":
            if job.status:
                word = "NonZeroExitCode" if job.status >> 8 else "JobLaunchFailure"
                self._end(job, "FAILED", word, job.status)
            else:
                self._end(job, "COMPLETED", "None", 0)
        elif job.completing and not job.wedged:
            self.complete_soon(job)

    def _end(self, job: Job, state: str, reason: str, status: int) -> None:
        job.reason, job.status, job.completing, job.end_time = reason, status, True, self.now()
        self.step(job, state)
        self.complete_soon(job)

    def complete_soon(self, job: Job) -> None:
        """Nothing of the run is left; the epilogue may take its time."""
        slow = self.weather.strikes("slurm.completing-long")
        delay = self.weather.between(30.0, 300.0) if slow else self.weather.between(*self.pace.complete)
        self._after(delay, job, self.completed)

    def completed(self, job: Job) -> None:
        """The COMPLETING is over: the job has ended, or waits for its next run."""
        if job.wedged:
            return
        job.completing = False
        if job.state == "PENDING":
            self.begin_again(job)
            return
        self.step(job, job.state)
        self.on_final(job)
        age = self.pace.min_job_age + self.weather.between(*self.pace.purge)
        self._after(age, job, self.forget)

    def cancel_pending(self, job: Job) -> None:
        """A job that has not started is over at once; its reason stays."""
        job.start_time = job.end_time = self.now()
        self.step(job, "CANCELLED")
        self.completed(job)

    def cancel_requeued(self, job: Job) -> None:
        """Cancelled while the run before a requeue was completing: it does not run again (measured)."""
        job.state, job.end_time = "CANCELLED", self.now()
        self.on_change()

    def forget(self, job: Job) -> None:
        """Purge."""
        if self.jobs.pop(job.job_id, None) is job:
            job.turn += 1
            self.on_change()

    # ---- once more --------------------------------------------------------------------------------------------

    def requeue_running(self, job: Job) -> None:
        """The restart count rises now; the old run is ended, COMPLETING meanwhile (measured)."""
        job.restarts += 1
        self.terminate(job, "PENDING", "None")

    def begin_again(self, job: Job) -> None:
        """PENDING, with a new submit time, and not before ``begin_again`` seconds (measured: 121)."""
        job.submit_time = self.now()
        job.start_time = job.submit_time + int(self.pace.begin_again)
        job.end_time, job.hosts, job.status, job.reason = self._limit_from(job), (), 0, "BeginTime"
        self.step(job, "PENDING")
        self._after(self.pace.begin_again, job, self.enqueue)

    # ---- steps and time ---------------------------------------------------------------------------------------

    def step(self, job: Job, state: str) -> None:
        """Go on to a state; earlier timers of the job do nothing any more."""
        job.state = state
        job.turn += 1
        self.on_change()

    def _after(self, delay: float, job: Job, action: Callable[[Job], None]) -> None:
        self.later(delay, partial(self._while_same, job, job.turn, action))

    def _while_same(self, job: Job, turn: int, action: Callable[[Job], None]) -> None:
        """Nothing where the job has gone on without this timer."""
        if self.jobs.get(job.job_id) is job and job.turn == turn:
            action(job)

    @staticmethod
    def time() -> float:
        """Loop time, seconds."""
        return asyncio.get_running_loop().time()
