"""Which mails about a job are due.  Pure; each is due once, and only while it is news."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from bwvisu.domain.job import JobSpec, JobStatus, Notice
from bwvisu.domain.lifecycle import Outcome, State
from bwvisu.planning.idle import warned

BEFORE_THE_END = timedelta(minutes=10)
NEWS = timedelta(hours=1)
"""An end that is longer ago is told to nobody: mail was set up, or came back, only now."""
_EXPECTED = frozenset({Outcome.COMPLETED, Outcome.CANCELLED})


def due(spec: JobSpec, status: JobStatus, begun: Collection[Notice], now: datetime) -> Iterator[Notice]:
    """What its owner wants to be told, is so now, and was not told yet."""
    for notice in spec.notify:
        if notice not in begun and _is_so(notice, spec, status, now):
            yield notice


def _is_so(notice: Notice, spec: JobSpec, status: JobStatus, now: datetime) -> bool:
    match notice:
        case Notice.AVAILABLE:
            return status.state is State.AVAILABLE and not spec.stopped and not status.idled
        case Notice.ENDING:
            going_on = status.state in {State.RUNNING, State.AVAILABLE} and not spec.stopped and not status.idled
            return going_on and _ends_soon(status, now)
        case Notice.IDLE:
            return warned(spec, status) is not None
        case Notice.FAILED:
            return _failed(status, now)


def _ends_soon(status: JobStatus, now: datetime) -> bool:
    """A job that is short altogether need not be told so at its beginning."""
    slurm = status.slurm
    if slurm is None or slurm.ends_at is None or slurm.started_at is None:
        return False
    long = slurm.ends_at - slurm.started_at >= 2 * BEFORE_THE_END
    return long and timedelta(0) < slurm.ends_at - now <= BEFORE_THE_END


def _failed(status: JobStatus, now: datetime) -> bool:
    ended = status.finished_at
    return ended is not None and status.outcome not in _EXPECTED and now - ended < NEWS
