"""One leader's term over one cluster: all parts are real but Slurm, the clock, and the mirror of the store."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Self

from bwvisu.adapters.etcd import Absent, Committed, Condition, Conflict, Delete, Lease, Operation, Put, Store
from bwvisu.adapters.records import Keys, encode
from bwvisu.adapters.slurm import Submission
from bwvisu.domain import observation
from bwvisu.domain.job import JobId, JobSpec, JobStatus, Wanted
from bwvisu.domain.lifecycle import Phase
from bwvisu.domain.naming import SlurmJobName
from bwvisu.domain.observation import (
    CancelResult,
    CouldNotLook,
    Details,
    ExtendResult,
    Observation,
    SubmitResult,
    Submitted,
    TimeSet,
)
from bwvisu.planning.snapshot import Policy
from bwvisu.reconcilers.accounts import Accounts
from bwvisu.reconcilers.dispatch import Dispatcher
from bwvisu.reconcilers.execute import Executor, Watching
from bwvisu.reconcilers.jobs import JobsReconciler
from bwvisu.reconcilers.leadership import Leadership
from bwvisu.reconcilers.memory import LeaderMemory
from bwvisu.reconcilers.records import Records
from bwvisu.reconcilers.views import Views
from bwvisu.reconcilers.watcher import Watcher
from bwvisu.reconcilers.writer import Writer
from keyhole.domain import Grant, Report
from tests.support.waiting import eventually
from tests.unit.planning.build import CLUSTER_NOW, ID, NOW, spec
from tests.unit.planning.slurm_model import Slurm

POLICY = Policy(installation="abc123", submit_settle=60.0, min_job_age=300.0, longest=240)


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def wall(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds - 1000.0)


class Doom:
    """Kills its leader at the n-th step: the leader hangs there until its term is torn down."""

    def __init__(self, steps: int = 1_000_000) -> None:
        self.steps = steps
        self.struck = False

    async def step(self) -> None:
        self.steps -= 1
        if self.steps <= 0:
            self.struck = True
            await asyncio.Event().wait()


class FakeSlurm:
    """The outermost wire: a small Slurm behind the calls that a leader makes."""

    def __init__(self, clock: Clock) -> None:
        self.slurm = Slurm()
        self.clock = clock
        self.down = False
        self.answer: Callable[[Submission], SubmitResult] = self.take
        self.submitted: list[Submission] = []
        self.says: Callable[[int, int], ExtendResult] = self.set_time
        self.told: list[tuple[int, str, str, int]] = []
        self.asked_but: list[str] = []
        self.account: observation.UserResult = observation.Account("alice", 2000, 2000, "/home/alice", ())

    @property
    def cluster_clock(self) -> int:
        return CLUSTER_NOW + int(self.clock.seconds - 1000.0)

    def take(self, submission: Submission) -> SubmitResult:
        return Submitted(self.slurm.submit(submission.job_name, submission.user, self.cluster_clock))

    async def submit(self, submission: Submission) -> SubmitResult:
        self.submitted.append(submission)
        return self.answer(submission)

    async def cancel(self, job_id: int, user: str, name: str) -> CancelResult:
        done = self.slurm.cancel(job_id, user, name, self.clock.seconds, stubborn=False)
        return observation.Cancelled() if done else observation.NothingToCancel()

    async def extend(self, job_id: int, user: str, name: str, minutes: int) -> ExtendResult:
        self.told.append((job_id, user, name, minutes))
        self.clock.seconds += 0.1  # a look that was there before is older than the answer
        return self.says(job_id, minutes)

    def set_time(self, job_id: int, minutes: int) -> ExtendResult:
        entry = self.slurm.jobs[job_id]
        entry.row = replace(entry.row, time_limit=minutes * 60)
        return TimeSet()

    async def details(self, job_id: int) -> Details:
        return self.slurm.details(job_id)

    async def look(self) -> Observation:
        if self.down:
            return CouldNotLook("squeue ended with 1", self.clock.seconds)
        return self.slurm.look(self.clock.seconds, self.cluster_clock)

    async def user(self, _: str, but: str = "") -> observation.UserResult:
        self.asked_but.append(but)
        return self.account


class _DoomedSlurm:
    """A leader's way to Slurm, on which it may die before and after each call."""

    def __init__(self, slurm: FakeSlurm, doom: Doom) -> None:
        self._slurm = slurm
        self._doom = doom

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*arguments: Any) -> Any:
            await self._doom.step()
            answer = await getattr(self._slurm, name)(*arguments)
            await self._doom.step()
            return answer

        return call


class _DoomedStore:
    """The same for its writes."""

    def __init__(self, store: Store, doom: Doom) -> None:
        self._store = store
        self._doom = doom

    async def commit(self, conditions: list[Condition], operations: list[Operation]) -> Committed | Conflict:
        await self._doom.step()
        result = await self._store.commit(conditions, operations)
        await self._doom.step()
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class _NoProbes:
    def reachable(self, job_id: JobId, grant: Grant, reports: tuple[Report, ...]) -> tuple[bool, ...]:  # noqa: ARG002
        return ()

    def told(self, job_id: JobId, grant: Grant) -> tuple[None, ...]:  # noqa: ARG002
        return ()


async def _script(spec: JobSpec, attempt: int) -> bytes:
    return b"#!/bin/sh\n"


class Term:
    """A leader in office, as an async context manager: leaving it is its death."""

    def __init__(
        self, store: Store, keys: Keys, slurm: FakeSlurm, doom: Doom | None = None, watching: Watching | None = None
    ) -> None:
        self.store, self.keys, self.slurm, self.clock = store, keys, slurm, slurm.clock
        self.doom = doom or Doom()
        self.watching = watching
        self.script: Callable[[JobSpec, int], Any] = _script
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        doomed: Any = _DoomedSlurm(self.slurm, self.doom)
        self.records = await self._read()
        self.leadership = await self._take_office()
        writer = Writer(self.leadership, self.records)
        self.views = Views("main", self.records, _NoProbes())
        self.records.listen(lambda _, tail: self.views.changed(tail.partition("/")[0]))
        self.watcher = Watcher("main", doomed, lambda: None, poll_interval=5.0, clock=self.clock)
        self.memory = LeaderMemory()
        self.accounts = Accounts(
            "main",
            doomed,
            self.records,
            writer,
            pattern="[a-z]+",
            minimum_uid=1000,
            home_prefix="/home",
            wall=self.clock.wall,
            clock=self.clock,
        )
        self.executor = Executor(
            doomed,
            self.records,
            writer,
            self.accounts,
            self.memory,
            self._render,
            job_name=lambda job_id, attempt: str(SlurmJobName("bwv", "abc123", job_id, attempt)),
            look_soon=lambda: None,
            watching=self.watching,
            clock=self.clock,
            wall=self.clock.wall,
        )
        self.dispatcher = await self._stack.enter_async_context(Dispatcher(32, rest=0.0))
        self.jobs = JobsReconciler(
            lambda: POLICY,
            self.views,
            self.watcher,
            self.accounts,
            self.memory,
            self.executor,
            self.dispatcher,
            lambda _: {},
            clock=self.clock,
            wall=self.clock.wall,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _render(self, spec: JobSpec, attempt: int) -> bytes:
        return bytes(await self.script(spec, attempt))

    async def _read(self) -> Records:
        records = Records(self.keys)
        for key, entry in (await self.store.list(self.keys.root)).entries.items():
            records.change(key, entry.mod_revision, records.decode(entry))
        return records

    async def _take_office(self) -> Leadership:
        """At once: whoever held it is fenced off from here on."""
        await self.store.commit([], [Delete(self.keys.leader)])
        lease: Lease = await self.store.lease(60)
        won = await self.store.commit([Absent(self.keys.leader)], [Put(self.keys.leader, b"{}", lease.id)])
        assert isinstance(won, Committed)
        doomed: Any = _DoomedStore(self.store, self.doom)
        return Leadership(doomed, self.keys.leader, won.revision, lease)

    # ---- what a test does with it -------------------------------------------------------------------------------

    async def ask(self, wanted: JobSpec | None = None) -> None:
        """What the API does: store a spec."""
        asked = wanted or spec()
        stored = await self.store.commit([], [Put(self.keys.spec(asked.id), encode(asked))])
        assert isinstance(stored, Committed)
        self.records.change(self.keys.spec(asked.id), stored.revision, asked)

    async def stop(self) -> None:
        """What the API does on DELETE."""
        wanted = self.records.specs.get(ID) or spec()
        await self.ask(wanted.model_copy(update={"wanted": Wanted.STOPPED}))

    async def turn(self) -> None:
        """A look, and passes until nothing is left to do."""
        if not self.doom.struck:
            looking = asyncio.create_task(self.watcher.reconcile())
            await eventually(lambda: looking.done() or self.doom.struck)
            looking.cancel()
        for _ in range(20):
            if self.doom.struck or not (await self.jobs.reconcile()).started:
                return
            await eventually(lambda: not self.dispatcher.busy or self.doom.struck)
        raise AssertionError("passes without an end")

    async def watch(self, seconds: float) -> None:
        """Turns of 8 s each."""
        until = self.clock.seconds + seconds
        while self.clock.seconds < until:
            self.clock.seconds += 8.0
            self.slurm.slurm.purge(self.clock.seconds)
            await self.turn()

    @property
    def status(self) -> JobStatus:
        """What the leader knows of the job."""
        return self.records.status.get(ID) or JobStatus()

    def phase(self) -> Phase:
        return self.status.phase

    async def stored(self) -> JobStatus | None:
        """What etcd knows of the job."""
        entry = await self.store.get(self.keys.status(ID))
        return JobStatus.model_validate_json(entry.value) if entry is not None else None
