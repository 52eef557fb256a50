"""Limits of a person's jobs: how many of them Slurm has by now, and which of them count."""

from collections import Counter
from collections.abc import Container, Mapping

from bwvisu.domain.job import JobId
from bwvisu.domain.lifecycle import Phase
from bwvisu.domain.quota import Quota
from bwvisu.planning.snapshot import Snapshot


def at_work(snapshot: Snapshot) -> Counter[str]:
    """How many jobs of each person Slurm has, or may have: from the intent to the end.

    A job whose submission is just beginning is busy and still new.
    """
    return Counter(
        view.spec.user
        for job_id, view in snapshot.jobs.items()
        if view.status.phase is not Phase.FINISHED and (view.status.phase is not Phase.NEW or job_id in snapshot.busy)
    )


def counted(quota: Quota, live: Mapping[JobId, str], unclear: Container[JobId]) -> Quota:
    """The books as they should be: the person's ``live`` jobs, with their applications.

    An entry of which nobody can say whether it is over stays: a place is never given away on a guess.
    """
    kept = {job_id: application for job_id, application in quota.jobs.items() if job_id in unclear}
    return quota.model_copy(update={"jobs": {**kept, **live}})
