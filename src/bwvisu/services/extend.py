"""Another run time for a job: it is written down as wanted, and the leader's answer is awaited for a moment."""

from collections.abc import Callable

from bwvisu.adapters.etcd import Committed, OutcomeUnknown, Put
from bwvisu.adapters.records import encode
from bwvisu.domain.job import Extension, ExtensionState, JobId, JobSpec
from bwvisu.domain.lifecycle import State
from bwvisu.domain.parameter import Integer, Number
from bwvisu.domain.principal import Principal
from bwvisu.errors import Conflict, TryAgain
from bwvisu.planning.extension import NOT_EXTENDABLE, objection, standing
from bwvisu.services.bundles import bundle_of
from bwvisu.services.context import Context, PreconditionFailed
from bwvisu.services.exact import read_exactly
from bwvisu.services.state import Job

TRIES = 4
PATIENCE = 5.0
"""Seconds that a request waits for the leader's answer."""
PARAMETER = "minutes"
"""The parameter of an application that its jobs' run time is asked by; its maximum bounds changes, too."""


async def extend(
    context: Context, principal: Principal, job_id: JobId, minutes: int, admits: Callable[[int], bool]
) -> Job:
    """The job, which has so many minutes in all, or is about to (see `is_settled`).  May be repeated.

    ``admits``: the revisions of the job that its asker means.
    Raises NotFound, PreconditionFailed, Conflict (``not-extendable``), TryAgain.
    """
    for _ in range(TRIES):
        read = await read_exactly(context, principal, job_id)
        if _asked_already(read.job, minutes):
            return await _outcome(context, read.job)
        if not admits(read.job.revision):
            raise PreconditionFailed("the job has changed since; read it again")
        await _allow(context, read.job, minutes)
        spec = _wanting(read.job.spec, minutes, context, principal)
        try:
            result = await context.state.store.commit(read.unchanged(), [Put(read.spec.key, encode(spec))])
        except OutcomeUnknown:
            continue  # reading it again tells
        if isinstance(result, Committed):
            return await _outcome(context, Job(spec, read.job.status, result.revision))
    raise TryAgain("it is not known whether the new run time was stored; ask again")


def is_settled(job: Job) -> bool:
    """Whether it is known what became of the time that was last asked for."""
    return standing(job.spec, job.status)[0] is not ExtensionState.PENDING


def _asked_already(job: Job, minutes: int) -> bool:
    """The same request again, whose answer was lost or is not there yet: nothing more is to be written."""
    wanted, slurm = job.spec.extension, job.status.slurm
    if wanted is None or wanted.minutes != minutes:
        return False
    state, _ = standing(job.spec, job.status)
    in_place = slurm is not None and slurm.time_limit == minutes * 60 and job.status.state is not State.FINISHED
    return state is ExtensionState.PENDING or (state is ExtensionState.APPLIED and in_place)


async def _allow(context: Context, job: Job, minutes: int) -> None:
    """Raise Conflict where it is known without asking Slurm that this cannot be."""
    cluster = context.clusters.get(job.spec.cluster)
    longest = cluster.slurm.extend.longest if cluster is not None else None
    why = objection(job.spec, job.status, minutes, longest, context.now())
    if why:
        raise Conflict(why, slug=NOT_EXTENDABLE)
    application = (await bundle_of(context, job.spec)).application.on(job.spec.cluster)
    parameter = application.parameters.get(PARAMETER)
    if isinstance(parameter, Integer | Number) and minutes > parameter.maximum:
        raise Conflict(f"{application.title} allows at most {parameter.maximum:g} minutes.", slug=NOT_EXTENDABLE)


def _wanting(spec: JobSpec, minutes: int, context: Context, principal: Principal) -> JobSpec:
    wanted = Extension(
        number=_number(spec) + 1,
        minutes=minutes,
        asked_at=context.now(),
        asked_by=principal.name,
        asked_for=principal.behalf,
    )
    return spec.model_copy(update={"extension": wanted})


def _number(spec: JobSpec) -> int:
    """Of the time that was last asked for; 0: none was."""
    return spec.extension.number if spec.extension is not None else 0


async def _outcome(context: Context, job: Job) -> Job:
    """The job once the leader has answered, or as it is by then; raises Conflict where the answer is no."""
    state, number = context.state, _number(job.spec)

    def latest() -> Job:
        seen = state.job(job.spec.id)
        return seen if seen is not None and _number(seen.spec) >= number else job

    await state.until(lambda: is_settled(latest()), PATIENCE)
    found = latest()
    verdict, reason = standing(found.spec, found.status)
    if verdict is ExtensionState.REFUSED and reason is not None:
        raise Conflict(reason.message, slug=NOT_EXTENDABLE)
    return found
