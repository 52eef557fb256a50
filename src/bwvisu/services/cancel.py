"""Stop a job: what is wanted becomes *stopped*, once and for ever; the leader does the rest."""

from collections.abc import Callable

from bwvisu.adapters.etcd import Committed, OutcomeUnknown, Put, Unchanged
from bwvisu.adapters.records import encode
from bwvisu.domain.job import JobId, Wanted
from bwvisu.domain.principal import Principal
from bwvisu.errors import TryAgain
from bwvisu.services.context import Context, PreconditionFailed
from bwvisu.services.exact import read_exactly
from bwvisu.services.state import Job

TRIES = 4


async def cancel(
    context: Context, principal: Principal, job_id: JobId, admits: Callable[[int], bool] | None = None
) -> Job:
    """The job, wanted *stopped*; may be repeated at any time, with the same ``admits``, too.

    ``admits``: the revisions of the job that its asker means; None: the job as it is by then.
    Raises NotFound, PreconditionFailed, TryAgain.
    """
    state = context.state
    for _ in range(TRIES):
        read = await read_exactly(context, principal, job_id)
        if read.job.spec.wanted is Wanted.STOPPED:
            return read.job
        if admits is not None and not admits(read.job.revision):
            raise PreconditionFailed("the job has changed since; read it again")
        stopped = read.job.spec.model_copy(update={"wanted": Wanted.STOPPED, "stopped_by": principal.person})
        same = [Unchanged(read.spec.key, read.spec.mod_revision)] if admits is None else read.unchanged()
        try:
            result = await state.store.commit(same, [Put(read.spec.key, encode(stopped))])
        except OutcomeUnknown:
            continue  # reading it again tells
        if isinstance(result, Committed):
            await state.seen(result.revision)
            return state.beside_status(stopped, result.revision)
    raise TryAgain("it is not known whether the job was told to stop; ask again")
