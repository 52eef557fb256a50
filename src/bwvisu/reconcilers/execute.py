"""Carrying out a plan's verbs, one at a time for each job.  Nothing is decided here; what fails is planned anew.

Order that makes a crash harmless: the intent is stored before Slurm is told anything, the result after.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

import structlog
from structlog.contextvars import bound_contextvars

from bwvisu.adapters.etcd import Condition, Delete, DeletePrefix, EtcdError, Unchanged
from bwvisu.adapters.records import Keys
from bwvisu.adapters.slurm import Submission
from bwvisu.correlation import FIELD
from bwvisu.domain.job import JobId, JobSpec, JobStatus, Reason, SlurmView
from bwvisu.domain.lifecycle import Event, Outcome, Phase
from bwvisu.domain.observation import (
    Cancelled,
    CancelResult,
    Details,
    ExtendResult,
    NothingToCancel,
    NotStarted,
    Refused,
    SubmitResult,
    Submitted,
    Unknown,
)
from bwvisu.errors import OperatorError, TryAgain, UserError
from bwvisu.planning import words
from bwvisu.planning.progress import advance, finish
from bwvisu.planning.snapshot import Told
from bwvisu.planning.submission import unsent
from bwvisu.planning.verbs import Cancel, Extend, Forget, Inspect, LookUpUser, Record, StopIdle, Submit, Verb
from bwvisu.reconcilers.accounts import Accounts
from bwvisu.reconcilers.memory import LeaderMemory
from bwvisu.reconcilers.records import Records
from bwvisu.reconcilers.trail import steps
from bwvisu.reconcilers.writer import Writer
from bwvisu.services.audit import audit

log = structlog.get_logger(__name__)

HOLD_BACK = 3.0
"""Seconds after which a submission that reached no command node, or could not be begun, is tried again."""
HOLD_BACK_UNKNOWN = 10.0
"""... where sudo did not find its owner's account."""
HOLD_BACK_HOPELESS = 60.0
"""... and where only a person can mend what kept it from one."""
START_MARGIN = 2.0
"""Seconds of leadership that must be left to begin something in Slurm, which cannot be fenced: names make it safe."""


class Cluster(Protocol):
    """Slurm, as the verbs need it."""

    async def submit(self, submission: Submission) -> SubmitResult:
        """Submit once."""
        ...

    async def cancel(self, job_id: int, user: str, name: str) -> CancelResult:
        """Cancel exactly this job."""
        ...

    async def extend(self, job_id: int, user: str, name: str, minutes: int) -> ExtendResult:
        """Give exactly this job another run time."""
        ...

    async def details(self, job_id: int) -> Details:
        """What Slurm says of one job."""
        ...


class Script(Protocol):
    """Renders the batch script of a job's attempt; raises OperatorError or UserError where that is not possible."""

    async def __call__(self, spec: JobSpec, attempt: int) -> bytes:
        """The script."""
        ...


def _alone(keys: Keys, job_id: JobId) -> tuple[str, ...]:
    """Keys of a job's records of which there is one."""
    kinds = (keys.spec, keys.status, keys.secret, keys.notices, keys.admissions, keys.shares)
    return tuple(key(job_id) for key in kinds)


class Watching(Protocol):
    """Who counts what was done."""

    def submitted(self, result: SubmitResult) -> None:
        """An attempt ended so."""
        ...

    def stored(self, spec: JobSpec, before: JobStatus, after: JobStatus, *, answered: bool) -> None:
        """A job's status was stored; ``answered``: as the answer to a submission of this leader's says."""
        ...


class Executor:
    """The hands of one cluster's job reconciler."""

    def __init__(
        self,
        cluster: Cluster,
        records: Records,
        writer: Writer,
        accounts: Accounts,
        memory: LeaderMemory,
        script: Script,
        *,
        job_name: Callable[[JobId, int], str],
        look_soon: Callable[[], None],
        watching: Watching | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cluster = cluster
        self._records = records
        self._writer = writer
        self._accounts = accounts
        self._memory = memory
        self._script = script
        self._job_name = job_name
        self._look_soon = look_soon
        self._watching = watching
        self._clock = clock
        self._wall = wall

    async def execute(self, verb: Verb) -> None:
        """Carry out one verb; every line of the log says for which job, and from which request it came."""
        spec = self._records.specs.get(verb.job_id) if not isinstance(verb, LookUpUser) else None
        about = {"job": spec.id, FIELD: spec.request} if spec is not None and spec.request else {}
        with bound_contextvars(**about):
            await self._execute(verb)

    async def _execute(self, verb: Verb) -> None:
        match verb:
            case Record() | StopIdle():
                await self._write_down(verb)
            case Submit():
                await self._submit(verb)
            case Cancel():
                await self._cancel(verb)
            case Extend():
                await self._extend(verb)
            case Inspect():
                self._memory.inspected[verb.job_id] = self._clock()
                self._memory.details[verb.job_id] = await self._cluster.details(verb.slurm_job_id)
            case LookUpUser():
                await self._accounts.look_up(verb.user)
            case Forget():
                await self._forget(verb.job_id)

    async def _record(
        self, job_id: JobId, status: JobStatus, given: Sequence[Condition] = (), *, answered: bool = False
    ) -> bool:
        before = self._records.status.get(job_id)
        if before == status:
            return True
        key, revision = self._records.keys.status(job_id), self._records.status.revision(job_id)
        stored = await self._writer.put(key, status, revision, given)
        if stored:
            spec = self._records.specs.get(job_id)
            for each in steps(job_id, spec, before, status, self._wall()):
                audit(each)
            if self._watching is not None and spec is not None:
                self._watching.stored(spec, before or JobStatus(), status, answered=answered)
        return stored

    async def _write_down(self, verb: Record | StopIdle) -> None:
        """Whoever was told that a job is kept, keeps it: its spec must not have changed before it is stopped."""
        if isinstance(verb, Record):
            await self._record(verb.job_id, verb.status)
            return
        spec, revision = self._records.specs.get(verb.job_id), self._records.specs.revision(verb.job_id)
        if spec is None or revision is None or spec.stopped or spec.kept_at != verb.kept_at:
            return
        unchanged = Unchanged(self._records.keys.spec(verb.job_id), revision)
        if await self._record(verb.job_id, verb.status, [unchanged]):
            log.info("stopping a job that nobody uses", job=verb.job_id, after=spec.idle_stop)

    async def _submit(self, verb: Submit) -> None:
        spec = self._records.specs.get(verb.job_id)
        if spec is None or spec.stopped:
            return
        try:
            submission = await self._submission(spec, verb)
        except EtcdError:
            raise
        except TryAgain:  # of this job alone, a missing key say: it must not keep the others' places
            self._memory.held_back[spec.id] = self._clock() + HOLD_BACK
            raise
        except (OperatorError, UserError, ValueError) as error:
            known = self._records.status.get(spec.id) or JobStatus()
            await self._record(spec.id, self._rejected(known, "not-rendered", str(error)))
            return
        self._writer.leadership.guard(START_MARGIN)
        if not await self._record(spec.id, verb.status):
            return
        self._writer.leadership.guard(START_MARGIN)
        result = await self._cluster.submit(submission)
        if self._watching is not None:
            self._watching.submitted(result)
        await self._record(spec.id, self._told(spec, verb.status, result), answered=not isinstance(result, Unknown))
        self._look_soon()

    async def _submission(self, spec: JobSpec, verb: Submit) -> Submission:
        """All that can be wrong with it is known before anything is begun."""
        return Submission(
            user=spec.user,
            home=verb.home,
            job_name=self._job_name(spec.id, verb.status.attempt),
            output=f"{verb.home}/bwvisu-job-{spec.id}.out",
            script=await self._script(spec, verb.status.attempt),
        )

    def _told(self, spec: JobSpec, status: JobStatus, result: SubmitResult) -> JobStatus:
        """The status by what the submission was answered."""
        now = self._wall()
        match result:
            case Submitted():
                slurm = SlurmView(job_id=result.slurm_job_id, state="PENDING")
                return advance(status, Event.SUBMITTED, at=now).model_copy(update={"slurm": slurm})
            case Refused(code="unknown-user"):  # sudo's directory may be away: accounts are judged by asking for them
                self._accounts.doubt(spec.user)
                self._memory.held_back[spec.id] = self._clock() + HOLD_BACK_UNKNOWN
                return advance(status, Event.UNSENT, at=now, reason=words.USER_NOT_FOUND)
            case Refused():
                return self._rejected(status, result.code, result.message)
            case NotStarted():
                pause = HOLD_BACK if result.retryable else HOLD_BACK_HOPELESS
                self._memory.held_back[spec.id] = self._clock() + pause
                return unsent(status, result.reason, at=now)
            case Unknown():
                log.warning("submission unknown", job=spec.id, attempt=status.attempt, reason=result.reason)
                return status.model_copy(update={"reason": words.in_doubt(result.reason)})

    def _rejected(self, status: JobStatus, code: str, message: str) -> JobStatus:
        return finish(status, Outcome.REJECTED, Reason(code=code, message=message), at=self._wall())

    async def _cancel(self, verb: Cancel) -> None:
        self._writer.leadership.guard(START_MARGIN)
        if verb.stray:
            log.warning("cancelling a stray", job=verb.job_id, slurm_job=verb.slurm_job_id, name=verb.name)
        self._memory.cancelled[verb.slurm_job_id] = self._clock()
        result = await self._cluster.cancel(verb.slurm_job_id, verb.user, verb.name)
        self._look_soon()
        if isinstance(result, NothingToCancel):
            return
        if not isinstance(result, Cancelled):
            log.warning("could not cancel", job=verb.job_id, slurm_job=verb.slurm_job_id, reason=str(result))
            return
        status = self._records.status.get(verb.job_id)
        if not verb.stray and status is not None and status.phase in {Phase.QUEUED, Phase.RUNNING, Phase.READY}:
            spec = self._records.specs.get(verb.job_id)
            why = words.idle(spec) if spec is not None and status.idled else words.STOPPING
            await self._record(verb.job_id, advance(status, Event.ENDING, at=self._wall(), reason=why))

    async def _extend(self, verb: Extend) -> None:
        """What it came to is planned from memory and from the next look."""
        self._writer.leadership.guard(START_MARGIN)
        if not await self._record(verb.job_id, verb.status):
            return
        self._writer.leadership.guard(START_MARGIN)
        last = self._memory.told.get(verb.job_id)
        tries = 1 + (last.tries if last is not None and last.number == verb.number else 0)
        self._memory.told[verb.job_id] = Told(verb.number, Unknown("it was not waited for"), self._clock(), tries)
        result = await self._cluster.extend(verb.slurm_job_id, verb.user, verb.name, verb.minutes)
        self._memory.told[verb.job_id] = Told(verb.number, result, self._clock(), tries)
        log.info("run time told", job=verb.job_id, minutes=verb.minutes, result=str(result))
        self._look_soon()

    async def _forget(self, job_id: JobId) -> None:
        keys = self._records.keys
        await self._writer.forget(
            [
                *(Delete(key) for key in _alone(keys, job_id)),
                *(DeletePrefix(prefix) for prefix in (keys.requests(job_id), keys.reports(job_id))),
            ]
        )
        self._memory.drop(job_id)
