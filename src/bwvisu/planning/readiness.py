"""Whether a running job's services answer, as its gateway's probes and its own reports show."""

from datetime import datetime

from bwvisu.domain.job import JobStatus, Reason, Service
from bwvisu.domain.lifecycle import Event, Phase, State
from bwvisu.planning.progress import advance, down
from bwvisu.planning.snapshot import JobView
from bwvisu.planning.words import MOVING, STARTING, UNANSWERED, not_listening


def judge(view: JobView, status: JobStatus, now: datetime) -> JobStatus:
    """The status with its services as they are now; a job without ports is available once it runs."""
    if status.phase not in {Phase.RUNNING, Phase.READY} or _another_run(view.status, status):
        return status
    services = view.services or down(status.services)
    if services != status.services:
        moved_at = now if view.moved and _elsewhere(status, services) else status.moved_at
        status = status.model_copy(update={"services": services, "moved_at": moved_at})
    ready = len(services) == len(view.spec.services) and all(service.reachable for service in services)
    if ready and status.phase is Phase.RUNNING:
        return advance(status, Event.READY, at=now)
    if not ready and status.phase is Phase.READY and view.stopped:
        return status  # it ends as it was told to: no news of an application that would be starting again
    if not ready and status.phase is Phase.READY:
        return advance(status, Event.UNREADY, at=now, reason=_silent(view))
    reason = _reason(view, status, now)
    return status if status.reason == reason else status.model_copy(update={"reason": reason})


def _elsewhere(status: JobStatus, services: tuple[Service, ...]) -> bool:
    """Whether these services are on another gateway than those that were shown."""
    return {each.gateway for each in status.services} not in ({each.gateway for each in services}, set())


def _silent(view: JobView) -> Reason:
    """Why a job that was available is not so now."""
    return view.refusal or (MOVING if view.moving else UNANSWERED)


def _another_run(before: JobStatus, after: JobStatus) -> bool:
    """The view's services are those of the run that the store knows, not of the one that a look has just shown."""
    if before is after or before.slurm is None or after.slurm is None:
        return False
    return before.slurm.restarts != after.slurm.restarts


def _reason(view: JobView, status: JobStatus, now: datetime) -> Reason | None:
    if status.phase is Phase.READY:
        return None
    if view.refusal is not None or status.reason in {UNANSWERED, MOVING}:
        return _silent(view)
    since = [moment.at for moment in status.timeline[-1:] if moment.state is State.RUNNING]
    patience = view.spec.start_timeout
    late = any((now - at).total_seconds() > patience for at in since)
    return not_listening(patience) if late else STARTING
