"""What the leader counts of jobs: derived from what it has stored, so that no plan knows of it."""

from datetime import datetime
from itertools import pairwise

from prometheus_client import CollectorRegistry, Counter, Histogram

from bwvisu.domain.job import JobSpec, JobStatus, Moment
from bwvisu.domain.lifecycle import Outcome, Phase, State
from bwvisu.domain.observation import NotStarted, Refused, SubmitResult, Submitted
from bwvisu.metrics import PATIENT
from bwvisu.reconcilers.trail import entered


class JobMetrics:
    """Of all clusters; one for each process.  `of` gives one cluster's `Watching`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.states = Histogram(
            "bwvisu_job_state_seconds",
            "How long jobs were in a state, once they have left it",
            ["cluster", "state"],
            buckets=PATIENT,
            registry=registry,
        )
        self.available = Histogram(
            "bwvisu_job_available_seconds",
            "From the request for a job to the first time that all its services answered",
            ["cluster"],
            buckets=PATIENT,
            registry=registry,
        )
        self.queue = Histogram(
            "bwvisu_job_queue_seconds",
            "From a job's being in Slurm's queue to its start",
            ["cluster"],
            buckets=PATIENT,
            registry=registry,
        )
        self.finished = Counter(
            "bwvisu_jobs_finished", "Jobs that have ended, by outcome", ["cluster", "outcome"], registry=registry
        )
        self.submissions = Counter(
            "bwvisu_submissions", "Attempts to submit a job, by result", ["cluster", "result"], registry=registry
        )
        self.resolved = Counter(
            "bwvisu_submissions_resolved",
            "Submissions without a clear answer of which it became known what they came to",
            ["cluster", "result"],
            registry=registry,
        )

    def of(self, cluster: str) -> "ClusterJobMetrics":
        """One cluster's.  What has never happened is told as 0: Prometheus does not see a first time otherwise."""
        for result in ("submitted", "refused", "not-started", "unknown"):
            self.submissions.labels(cluster, result)
        for result in ("adopted", "absent", "ended"):
            self.resolved.labels(cluster, result)
        for outcome in Outcome:
            self.finished.labels(cluster, outcome.value)
        return ClusterJobMetrics(self, cluster)


class ClusterJobMetrics:
    """`bwvisu.reconcilers.execute.Watching` for one cluster."""

    def __init__(self, metrics: JobMetrics, cluster: str) -> None:
        self._metrics = metrics
        self._cluster = cluster

    def submitted(self, result: SubmitResult) -> None:
        """See `Watching`."""
        self._metrics.submissions.labels(self._cluster, word(result)).inc()

    def stored(self, spec: JobSpec, before: JobStatus, after: JobStatus, *, answered: bool) -> None:
        """See `Watching`."""
        if not answered and (found := resolution(before, after)):
            self._metrics.resolved.labels(self._cluster, found).inc()
        new = entered(before, after)
        for last, moment in pairwise([_latest(spec, before), *new]):
            spent = _seconds(last.at, moment.at)
            self._metrics.states.labels(self._cluster, last.state.value).observe(spent)
            if (last.state, moment.state) == (State.SUBMITTED, State.RUNNING):
                self._metrics.queue.labels(self._cluster).observe(spent)
        first = next((each for each in new if each.state is State.AVAILABLE), None)
        if first is not None and all(each.state is not State.AVAILABLE for each in before.timeline):
            self._metrics.available.labels(self._cluster).observe(_seconds(spec.created_at, first.at))
        if after.outcome is not None and before.outcome is None:
            self._metrics.finished.labels(self._cluster, after.outcome.value).inc()


def word(result: SubmitResult) -> str:
    """A submission's result as a label."""
    match result:
        case Submitted():
            return "submitted"
        case Refused():
            return "refused"
        case NotStarted():
            return "not-started"
        case _:
            return "unknown"


def resolution(before: JobStatus, after: JobStatus) -> str | None:
    """What a submission in doubt came to; None: there was none, or it still is.

    ``adopted``: Slurm has it.  ``absent``: it surely has not, and a new attempt begins.  ``ended``: the job is over.
    """
    if before.phase is not Phase.SUBMITTING:
        return None
    if after.attempt > before.attempt or after.phase is Phase.NEW:
        return "absent"
    if after.phase is Phase.SUBMITTING:
        return None
    return "adopted" if after.slurm is not None else "ended"


def _latest(spec: JobSpec, status: JobStatus) -> Moment:
    return status.timeline[-1] if status.timeline else Moment(state=State.ACCEPTED, at=spec.created_at)


def _seconds(since: datetime, until: datetime) -> float:
    """Wall clocks of two processes may differ: never less than nothing."""
    return max(0.0, (until - since).total_seconds())
