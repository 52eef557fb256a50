"""Who may enter a job besides its owner: the people and links that its owner shares it with."""

from collections.abc import Sequence
from dataclasses import dataclass

from bwvisu.adapters.etcd import Condition, Unchanged
from bwvisu.domain.job import JobId
from bwvisu.domain.lifecycle import State as JobState
from bwvisu.domain.principal import Principal
from bwvisu.domain.share import Share, Shares, by_user
from bwvisu.errors import Conflict
from bwvisu.services.context import Context, no_such_job
from bwvisu.services.edit import Found, read
from bwvisu.services.exact import Exact, read_of_anybody
from bwvisu.services.state import Job


@dataclass(frozen=True, slots=True)
class Entrant:
    """A job that somebody may enter; ``share``: what lets them in, None: it is theirs."""

    read: Exact
    share: Share | None
    conditions: Sequence[Condition]
    """All of that still is so."""

    @property
    def job(self) -> Job:
        """The job."""
        return self.read.job


async def shares_of(context: Context, job_id: JobId) -> Found[Shares]:
    """Whom the owner lets in, as etcd has it."""
    return await read(context, context.state.keys.shares(job_id), Shares, Shares())


def counting(context: Context, job: Job, shares: Shares) -> tuple[Share, ...]:
    """Those that count now: none has expired, and the site lets the cluster's jobs be shared."""
    cluster, now = context.clusters.get(job.spec.cluster), context.now()
    if cluster is None or not cluster.sharing.allowed:
        return ()
    return tuple(each for each in shares.entries if each.expires_at > now)


async def enterable(context: Context, principal: Principal, job_id: JobId) -> tuple[Job, Share | None]:
    """A job to enter, and what lets the asker in; None: it is theirs.  Raises NotFound."""
    job = await context.state.find(job_id)
    if job is None:
        raise no_such_job()
    if principal.may_see(job.spec.user):
        return job, None
    share = _guest(context, principal, job, (await shares_of(context, job_id)).value)
    if share is None:
        raise no_such_job()
    return job, share


async def entrant(context: Context, principal: Principal, job_id: JobId) -> Entrant:
    """The same as etcd has it, for who writes.  Raises NotFound."""
    found = await read_of_anybody(context, job_id)
    if principal.may_see(found.job.spec.user):
        return Entrant(found, None, (same_spec(found),))
    shares = await shares_of(context, job_id)
    share = _guest(context, principal, found.job, shares.value)
    if share is None:
        raise no_such_job()
    return Entrant(found, share, (same_spec(found), shares.unchanged))


def _guest(context: Context, principal: Principal, job: Job, shares: Shares) -> Share | None:
    """What lets this person into somebody else's job."""
    return by_user(counting(context, job, shares), principal.user) if principal.user is not None else None


def same_spec(found: Exact) -> Condition:
    """The job is still there, and was not told to stop."""
    return Unchanged(found.spec.key, found.spec.mod_revision)


def check_going_on(job: Job) -> None:
    """Raises Conflict where nobody will enter it any more."""
    if job.spec.stopped or job.status.state in {JobState.COMPLETING, JobState.FINISHED}:
        raise Conflict("the job is over, or was told to stop", slug="job-over")
