"""A person's limits: judged on what etcd holds, and counted in the transaction that accepts the job."""

from collections.abc import Mapping
from dataclasses import dataclass

from bwvisu.adapters.etcd import Absent, Condition, Put, Unchanged
from bwvisu.adapters.records import decode, encode
from bwvisu.domain.application import Application
from bwvisu.domain.job import JobId, JobSpec, JobStatus
from bwvisu.domain.lifecycle import State as JobState
from bwvisu.domain.quota import Full, Places, Quota, full
from bwvisu.errors import Conflict
from bwvisu.services.context import Context


class LimitReached(Conflict):
    """The person has as many jobs as are allowed."""

    slug = "limit-reached"
    title = "No more jobs are allowed at present"

    def __init__(self, found: Full, allowed: Places, cluster: str) -> None:
        super().__init__(_words(found, allowed, cluster))
        self.found = found


@dataclass(frozen=True, slots=True)
class Claim:
    """One more place for a person, to be taken in the job's own transaction."""

    condition: Condition
    put: Put


def places(context: Context, cluster: str, application: Application) -> Places:
    """What the settings and the application allow one person."""
    limits = context.clusters[cluster].limits
    return Places(limits.running_per_user, limits.waiting_per_user, application.limits.per_user)


async def claim(context: Context, spec: JobSpec, allowed: Places) -> Claim:
    """A place for ``spec`` as etcd's books stand now.  Raises `LimitReached`.

    A place that an earlier try has taken, without an answer, is not counted against it; nor are places of jobs that
    have ended and that the leader has not yet taken off the books: whoever saw a job finish may start the next one.
    """
    key = context.state.keys.quota(spec.cluster, spec.user)
    entry = await context.state.store.get(key)
    quota = decode(Quota, entry.value) if entry is not None else Quota(jobs=await _live(context, spec))
    others = {job_id: application for job_id, application in quota.jobs.items() if job_id != spec.id}
    if full(others, spec.application, allowed):
        others = {each: application for each, application in others.items() if not await _ended(context, each)}
    found = full(others, spec.application, allowed)
    if found is not None:
        raise LimitReached(found, allowed, spec.cluster)
    condition = Absent(key) if entry is None else Unchanged(key, entry.mod_revision)
    return Claim(condition, Put(key, encode(quota.model_copy(update={"jobs": {**others, spec.id: spec.application}}))))


async def _live(context: Context, spec: JobSpec) -> Mapping[JobId, str]:
    """Where there are no books yet: jobs that were accepted while no limit applied, as etcd has them now."""
    state, found = context.state, {}
    for job_id in list(state.index.candidates(user=spec.user, live=True).before(None)):
        job = state.job(job_id)
        if job is None or job.spec.cluster != spec.cluster or job.status.state is JobState.FINISHED:
            continue
        if not await _ended(context, job_id):
            found[job_id] = job.spec.application
    return found


async def _ended(context: Context, job_id: JobId) -> bool:
    """Whether etcd has the job as finished, which is for ever; a record that cannot be read says nothing of that."""
    entry = await context.state.store.get(context.state.keys.status(job_id))
    try:
        return entry is not None and decode(JobStatus, entry.value).state is JobState.FINISHED
    except ValueError:
        return False


def _words(found: Full, allowed: Places, cluster: str) -> str:
    of, how = "", ""
    if found.application is not None:
        of = f" of {found.application}"
    elif allowed.waiting:
        how = f" ({allowed.running} in Slurm and {allowed.waiting} waiting for them)"
    return (
        f"{found.used} jobs{of} on {cluster} are not finished, and one person may have {found.allowed}{how}; "
        "stop one, or wait until one ends"
    )
