"""Stop a job: what is wanted becomes *stopped*, once and for ever; the leader does the rest."""

from bwvisu.adapters.etcd import Committed, OutcomeUnknown, Put, Unchanged
from bwvisu.adapters.records import decode, encode
from bwvisu.domain.job import JobId, JobSpec, Wanted
from bwvisu.domain.naming import ULID
from bwvisu.domain.principal import Principal
from bwvisu.errors import TryAgain
from bwvisu.services.context import Context, no_such_job
from bwvisu.services.state import Job

TRIES = 4


async def cancel(context: Context, principal: Principal, job_id: JobId) -> Job:
    """The job, wanted *stopped*; may be repeated at any time.  Raises NotFound, TryAgain."""
    state = context.state
    key = state.keys.spec(job_id)
    for _ in range(TRIES):
        entry = await state.store.get(key) if ULID.fullmatch(job_id) else None
        spec = decode(JobSpec, entry.value) if entry else None
        if entry is None or spec is None or not principal.may_see(spec.user):
            raise no_such_job()
        if spec.wanted is Wanted.STOPPED:
            return state.beside_status(spec, entry.mod_revision)
        stopped = spec.model_copy(update={"wanted": Wanted.STOPPED, "stopped_by": principal.person})
        try:
            result = await state.store.commit([Unchanged(key, entry.mod_revision)], [Put(key, encode(stopped))])
        except OutcomeUnknown:
            continue  # reading it again tells
        if isinstance(result, Committed):
            await state.seen(result.revision)
            return state.beside_status(stopped, result.revision)
    raise TryAgain("it is not known whether the job was told to stop; ask again")
