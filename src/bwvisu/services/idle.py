"""Jobs that are stopped when nobody uses them: after how long, and keeping one that would be stopped."""

from datetime import timedelta

from bwvisu.adapters.etcd import Committed, OutcomeUnknown, Put
from bwvisu.adapters.records import encode
from bwvisu.domain.application import Application
from bwvisu.domain.job import JobId
from bwvisu.domain.lifecycle import State
from bwvisu.domain.principal import Principal
from bwvisu.errors import Conflict, Fault, InvalidInput, TryAgain
from bwvisu.planning.idle import warned
from bwvisu.services.context import Context
from bwvisu.services.exact import read_exactly
from bwvisu.services.state import Job
from bwvisu.settings import IdleStopSettings

NOT_KEPT = "not-keepable"
TRIES = 4
AGAIN = timedelta(seconds=5)
"""A job that was kept so lately is kept: nothing more is written."""
_POINTER = "/idle_stop_minutes"


def resolve(minutes: int | None, application: Application, limits: IdleStopSettings) -> int | None:
    """Seconds without activity after which a job is stopped; None: never.

    ``minutes``: as was asked for; None: as the application says, within the limits.  Raises InvalidInput.
    """
    if minutes is None:
        usual = application.idle_stop if limits.allowed and application.ports else None
        return None if usual is None else int(min(max(usual, limits.minimum), limits.maximum))
    if minutes == 0:
        if limits.allowed and application.idle_stop is not None and not limits.never_allowed:
            raise _wrong("this cluster stops jobs of this application when nobody uses them")
        return None
    if not limits.allowed:
        raise _wrong("this cluster stops no jobs because nobody uses them")
    if not application.ports:
        raise _wrong("nobody can be seen to use an application without ports")
    if not limits.minimum <= minutes * 60 <= limits.maximum:
        never = "0, or " if limits.never_allowed or application.idle_stop is None else ""
        raise _wrong(f"should be {never}from {-(-limits.minimum // 60):g} to {limits.maximum // 60:g}")
    return minutes * 60


def _wrong(why: str) -> InvalidInput:
    return InvalidInput([Fault(_POINTER, why)])


async def keep(context: Context, principal: Principal, job_id: JobId) -> Job:
    """The job, with its time without activity begun anew; may be repeated.

    Raises NotFound, Conflict (``not-keepable``), TryAgain.
    """
    for _ in range(TRIES):
        read = await read_exactly(context, principal, job_id)
        spec, status = read.job.spec, read.job.status
        if why := _too_late(read.job):
            raise Conflict(why, slug=NOT_KEPT)
        lately = spec.kept_at is not None and timedelta(0) <= context.now() - spec.kept_at < AGAIN
        if spec.idle_stop is None or (lately and warned(spec, status) is None):
            return read.job
        kept = spec.model_copy(update={"kept_at": context.now()})
        try:
            result = await context.state.store.commit(read.unchanged(), [Put(read.spec.key, encode(kept))])
        except OutcomeUnknown:
            continue  # reading it again tells
        if isinstance(result, Committed):
            await context.state.seen(result.revision)
            return context.state.beside_status(kept, result.revision)
    raise TryAgain("it is not known whether the job is kept; ask again")


def _too_late(job: Job) -> str:
    if job.status.state in {State.COMPLETING, State.FINISHED}:
        return "It is over." if job.status.state is State.FINISHED else "It is ending."
    return "It was told to stop." if job.spec.stopped or job.status.idled else ""
