"""Who uses a cluster at present: unfinished jobs per person, from memory."""

from collections import Counter
from dataclasses import dataclass

from bwvisu.domain.lifecycle import State
from bwvisu.domain.principal import Principal
from bwvisu.services.clusters import one_cluster
from bwvisu.services.context import Context


@dataclass(frozen=True, slots=True)
class Usage:
    """One person's jobs on one cluster."""

    user: str
    in_slurm: int
    """Submitted and not finished: what ``running_per_user`` counts."""
    waiting: int
    """Accepted, and not in Slurm yet."""


def usage(context: Context, principal: Principal, cluster: str) -> list[Usage]:
    """Everybody who has an unfinished job there and whom the principal may see, most jobs first.  Raises NotFound."""
    one_cluster(context, cluster)
    counted: dict[str, Counter[bool]] = {}
    for job_id in context.state.index.candidates(user=principal.user, live=True).before(None):
        job = context.state.job(job_id)
        if job is not None and job.spec.cluster == cluster and job.status.state is not State.FINISHED:
            counted.setdefault(job.spec.user, Counter())[job.status.state is State.ACCEPTED] += 1
    found = [Usage(user, in_slurm=count[False], waiting=count[True]) for user, count in counted.items()]
    return sorted(found, key=lambda each: (-each.in_slurm - each.waiting, each.user))
