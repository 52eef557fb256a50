"""Jobs that nobody uses: warn their owners, then stop them.

Reckoned by the leader's own monotonic clock and by what it has seen itself without a gap, so that neither a clock that
jumps nor a leader that is new, blind or late ever stops a job early.  What cannot be told stops nothing.
"""

from datetime import datetime, timedelta

from bwvisu.domain.job import Idleness, JobId, JobSpec, JobStatus
from bwvisu.domain.lifecycle import Phase, State
from bwvisu.planning.snapshot import JobView, Policy, Quiet, Snapshot, Watch
from bwvisu.planning.verbs import Record, StopIdle


def plan_idle(view: JobView, snapshot: Snapshot) -> Record | StopIdle | None:
    """What to do about a job of which it is to be watched whether somebody uses it."""
    if view.stopped or not _watched(view):
        return None
    idle = _judged(view, snapshot)
    if idle == view.status.idle:
        return None
    status = view.status.model_copy(update={"idle": idle})
    return StopIdle(view.spec.id, status, view.spec.kept_at) if status.idled else Record(view.spec.id, status)


def watch(snapshot: Snapshot) -> dict[JobId, Watch]:
    """Each job's watch, begun anew where that is due; to be remembered until the next pass."""
    return {
        job_id: _watch(view, snapshot.memory.watches.get(job_id), snapshot.monotonic)
        for job_id, view in snapshot.jobs.items()
        if _watched(view) and view.status.phase is Phase.READY
    }


def idle_since(spec: JobSpec, status: JobStatus) -> datetime | None:
    """Since when nobody has used an available job, by what is written down; None: it cannot be told."""
    if status.phase is not Phase.READY or (status.idle is not None and not status.idle.known):
        return None
    active = (service.last_active_at for service in status.services)
    return max((at for at in (_available_at(status), spec.kept_at, *active) if at is not None), default=None)


def warned(spec: JobSpec, status: JobStatus) -> datetime | None:
    """When the job is to be stopped for not being used; None: its owner is not warned, or has kept it since."""
    idle = status.idle
    if idle is None or idle.warned_at is None or status.phase is not Phase.READY or spec.stopped or status.idled:
        return None
    return idle.stops_at if spec.kept_at is None or spec.kept_at <= idle.warned_at else None


def warning(policy: Policy, idle_stop: int) -> float:
    """Seconds between the warning and the stop: at most half of the whole."""
    return min(policy.idle_warning, idle_stop / 2)


def _watched(view: JobView) -> bool:
    """Without ports nobody can be seen to use it."""
    return view.spec.idle_stop is not None and bool(view.spec.services)


def _judged(view: JobView, snapshot: Snapshot) -> Idleness | None:
    before, job_id = view.status.idle, view.spec.id
    if view.status.phase is not Phase.READY:
        return None
    if job_id not in snapshot.quiet or job_id not in snapshot.memory.watches:
        return before
    quiet = snapshot.quiet[job_id]
    if quiet is None:
        return Idleness(known=False)
    return _reckoned(view, quiet, snapshot.memory.watches[job_id], snapshot)


def _reckoned(view: JobView, quiet: Quiet, watch: Watch, snapshot: Snapshot) -> Idleness | None:
    """As of the last look: what happened since is not known yet."""
    after = view.spec.idle_stop or 0
    ahead, before = warning(snapshot.policy, after), view.status.idle
    left = after - (quiet.until - max(quiet.since, watch.since))
    if left > ahead:
        return None
    if before is None or before.warned_at is None:
        stops_at = snapshot.now + timedelta(seconds=max(left, ahead))
        return Idleness(warned_at=snapshot.now, stops_at=stops_at)
    heeded = watch.warned_at == before.warned_at and quiet.until - watch.warned >= ahead
    return before.model_copy(update={"stopped_at": snapshot.now}) if left <= 0 and heeded else before


def _watch(view: JobView, known: Watch | None, now: float) -> Watch:
    available_at, kept_at = _available_at(view.status), view.spec.kept_at
    warned_at = view.status.idle.warned_at if view.status.idle is not None else None
    same = known is not None and (known.available_at, known.kept_at) == (available_at, kept_at)
    since = known.since if known is not None and same else now
    still = known is not None and known.warned_at == warned_at
    return Watch(available_at, kept_at, since, warned_at, known.warned if known is not None and still else now)


def _available_at(status: JobStatus) -> datetime | None:
    last = status.timeline[-1] if status.timeline else None
    return last.at if last is not None and last.state is State.AVAILABLE else None
