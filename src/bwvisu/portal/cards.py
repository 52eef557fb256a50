"""A job as its owner sees it: how far it has come, why it waits, what is left, what to do next.  Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bwvisu.portal.documents import Application, Job, Reason
from bwvisu.portal.texts import _

Progress = Literal["done", "now", "ahead", "skipped"]
STEPS = ("accepted", "submitted", "running", "available")
SOON = timedelta(minutes=10)
"""So long before its end a job's owner is warned."""


STEP_NAMES = {
    "accepted": _("Accepted"),
    "submitted": _("Queued"),
    "running": _("Starting"),
    "available": _("Ready"),
}
STATE_NAMES = {
    **STEP_NAMES,
    "completing": _("Ending"),
    "finished": _("Ended"),
}
OUTCOMES = {
    "completed": _("Ended by itself"),
    "cancelled": _("Stopped"),
    "failed": _("Failed"),
    "timeout": _("Its time was over"),
    "out_of_memory": _("Ran out of memory"),
    "node_failed": _("Its compute node failed"),
    "rejected": _("The cluster did not take it"),
    "lost": _("Lost"),
}
ADVICE = {
    "timeout": _("Start it again with a longer run time."),
    "out_of_memory": _("Start it again with more memory."),
    "node_failed": _("This was not your fault: start it again."),
    "rejected": _("Change what the message names, and start it again."),
    "lost": _("The cluster no longer knows it: start it again, and tell your administrators."),
    "failed": _("The last lines of its log may say why."),
}
MORE_TIME = (30, 60, 120, 240)
"""Minutes that a person may choose to add."""
MORE = {"timeout": "minutes", "out_of_memory": "memory"}
"""Outcome -> the parameter of which there was too little."""
GOOD_ENDINGS = frozenset({"completed", "cancelled"})

FOREIGN = frozenset(
    {"cancelled-on-cluster", "cancelled-by-administrator", "dependency-never-satisfied", "preempted", "revoked"}
)
"""Reasons of an end that its owner did not ask for, though Slurm calls it cancelled."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step from the request to the open application."""

    name: str
    progress: Progress
    at: datetime | None
    took: float | None
    """Seconds until the next step."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a page shows of a job; texts are still to be translated."""

    job: Job
    title: str
    state: str
    steps: tuple[Step, ...]
    reason: Reason | None
    moved_at: datetime | None
    """When its address changed while it ran; None: it never did, or it cannot be opened now."""
    expected_start: datetime | None
    ends_at: datetime | None
    ended_at: datetime | None
    ends_soon: bool
    advice: str
    more: str
    """The parameter that should be larger the next time; empty: none."""
    bad: bool
    """It did not end well."""
    can_connect: bool
    can_stop: bool
    can_relaunch: bool
    more_time: tuple[int, ...]
    """Minutes of which one may be added; empty: none."""
    connections: int | None
    reached_by: int | None
    """The IP version that reaches it, where the visitor comes by the other one; None: nothing is in the way."""
    last_active: datetime | None
    """When somebody last used it; None: not known."""
    idle_stops_at: datetime | None
    """When it is stopped because nobody uses it; None: it is not warned of."""


def card(job: Job, application: Application | None, now: datetime, family: int | None = None) -> Card:
    """``application`` None: it is no longer in the catalogue; ``family``: the visitor's IP version, None: unknown."""
    slurm = job.slurm
    ends_at = slurm.ends_at if slurm and not job.finished else None
    stopping = job.wanted == "stopped" and not job.finished
    known = [service.connections for service in job.services if service.connections is not None]
    return Card(
        job=job,
        title=application.title if application else job.application,
        state=OUTCOMES.get(job.outcome or "", _("Ended")) if job.finished else _state(job, stopping=stopping),
        steps=_steps(job),
        reason=job.reason,
        moved_at=job.moved_at if job.state == "available" and not stopping else None,
        expected_start=slurm.expected_start_at if slurm and job.state == "submitted" else None,
        ends_at=ends_at,
        ended_at=job.timeline[-1].at if job.finished and job.timeline else None,
        ends_soon=ends_at is not None and job.state == "available" and ends_at - now < SOON,
        advice=ADVICE.get(job.outcome or "", "") if job.finished else "",
        more=_more(job),
        bad=job.finished and not _well(job),
        can_connect=job.state == "available" and not stopping,
        can_stop=not job.finished and not stopping,
        can_relaunch=job.finished and application is not None,
        more_time=() if stopping else _more_time(job, application),
        reached_by=_reached_by(job, application, family),
        connections=sum(known) if known and not job.finished else None,
        last_active=_last_active(job),
        idle_stops_at=job.idle.stops_at if job.idle is not None and job.idle.warned and not stopping else None,
    )


def _reached_by(job: Job, application: Application | None, family: int | None) -> int | None:
    """Known before anybody connects: an address of the other version could be admitted, and would never arrive."""
    if application is None or family is None or job.finished:
        return None
    gateways = application.bound.get(job.cluster, {})
    found = {gateways.get(service.gateway) for service in job.services} - {None}
    return next(iter(found)) if found and family not in found else None


def run_time(job: Job) -> int | None:
    """Minutes in all, as they were asked for last; None: not known, or without an end."""
    asked = job.parameters.get("minutes")
    if job.extension is not None and job.extension.state == "pending":
        return job.extension.minutes
    return (job.slurm.time_limit_minutes if job.slurm else None) or (asked if isinstance(asked, int) else None)


def _last_active(job: Job) -> datetime | None:
    active = (service.last_active_at for service in job.services)
    return None if job.finished else max((at for at in active if at is not None), default=None)


def _more_time(job: Job, application: Application | None) -> tuple[int, ...]:
    """What the site and the application let a job that Slurm has be given."""
    now = run_time(job)
    if job.state not in {"submitted", "running", "available"} or application is None or now is None:
        return ()
    return tuple(more for more in MORE_TIME if now + more <= application.extend_to.get(job.cluster, 0))


def _well(job: Job) -> bool:
    return job.outcome in GOOD_ENDINGS and (job.reason is None or job.reason.code not in FOREIGN)


def _more(job: Job) -> str:
    """Where nothing was asked for, Slurm's default was given, which nobody here knows: then the person must say it."""
    name = MORE.get(job.outcome or "", "")
    return name if job.parameters.get(name) else ""


def _state(job: Job, *, stopping: bool) -> str:
    return _("Stopping") if stopping else STATE_NAMES.get(job.state, job.state)


def _steps(job: Job) -> tuple[Step, ...]:
    """When each step was reached for the first time: a job may go back when its node fails."""
    reached: dict[str, datetime] = {}
    for moment in job.timeline:
        reached.setdefault(moment.state, moment.at)
    over = reached.get("completing") or reached.get("finished")
    return tuple(_step(job, name, reached, over) for name in STEPS)


def _step(job: Job, name: str, reached: dict[str, datetime], over: datetime | None) -> Step:
    at = reached.get(name)
    later = [reached[each] for each in STEPS[STEPS.index(name) + 1 :] if each in reached] or ([over] if over else [])
    took = (later[0] - at).total_seconds() if at and later and later[0] >= at else None
    return Step(STEP_NAMES[name], _progress(job, name, reached=at is not None), at, took)


def _progress(job: Job, name: str, *, reached: bool) -> Progress:
    if job.state == name:
        return "done" if name == "available" else "now"
    if not reached and job.state in {"completing", "finished"}:
        return "skipped"
    if job.state in STEPS and STEPS.index(name) > STEPS.index(job.state):
        return "ahead"
    return "done" if reached else "ahead"
