"""How a status moves on: an event applied to the table, with its moment in the timeline."""

from datetime import datetime

from bwvisu.domain.job import JobStatus, Moment, Reason, Service
from bwvisu.domain.lifecycle import Event, Outcome, Phase, after

_KEPT_FIRST, _KEPT_LAST = 8, 40
"""Moments of the timeline that are kept: an application that flaps for days must not fill the store."""


def advance(status: JobStatus, *events: Event, at: datetime, reason: Reason | None = None) -> JobStatus:
    """Apply events in order; a change of the state that users see becomes a moment of the timeline."""
    phase, timeline = status.phase, status.timeline
    for event in events:
        before, phase = phase, after(phase, event)
        if phase.state is not before.state:
            timeline = (*timeline, Moment(state=phase.state, at=at))
    if len(timeline) > _KEPT_FIRST + _KEPT_LAST:
        timeline = (*timeline[:_KEPT_FIRST], *timeline[-_KEPT_LAST:])
    services = status.services if phase in {Phase.RUNNING, Phase.READY} else down(status.services)
    return status.model_copy(update={"phase": phase, "timeline": timeline, "reason": reason, "services": services})


def finish(
    status: JobStatus, outcome: Outcome, reason: Reason, *, at: datetime, exit_code: int | None = None
) -> JobStatus:
    """End a job, once and for ever."""
    event = Event.REFUSED if outcome is Outcome.REJECTED else Event.ENDED
    over = advance(status, event, at=at, reason=reason)
    return over.model_copy(update={"outcome": outcome, "exit_code": exit_code})


def down(services: tuple[Service, ...]) -> tuple[Service, ...]:
    """The services with their last values, none of them reachable or connected."""
    return tuple(each.model_copy(update=_DOWN) if each.reachable or each.connections else each for each in services)


_DOWN = {"reachable": False, "connections": None}
