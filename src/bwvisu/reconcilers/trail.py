"""What goes into the audit trail when the leader has written a job's status down: pure."""

from collections.abc import Iterator
from datetime import datetime

from bwvisu.domain.audit import Action, AuditRecord, Result
from bwvisu.domain.job import ExtensionState, JobId, JobSpec, JobStatus, Moment


def steps(
    job_id: JobId, spec: JobSpec | None, before: JobStatus | None, status: JobStatus, now: datetime
) -> Iterator[AuditRecord]:
    """One record for each state that was entered (one write may pass through several), one for a run time's answer."""
    user, request = (spec.user, spec.request) if spec else (None, None)
    for moment in entered(before, status):
        last = moment is status.timeline[-1]
        yield AuditRecord(
            action=Action.MOVE_JOB,
            result=Result.ACCEPTED,
            job=job_id,
            user=user,
            request=request,
            state=moment.state,
            outcome=status.outcome if last else None,
            reason=status.reason.code if last and status.reason else None,
            at=moment.at,
        )
    answer = status.extension
    if answer is None or answer.state is ExtensionState.PENDING or (before and before.extension == answer):
        return
    yield AuditRecord(
        action=Action.SET_TIME,
        result=Result.ACCEPTED if answer.state is ExtensionState.APPLIED else Result.REFUSED,
        job=job_id,
        user=user,
        request=request,
        reason=answer.reason.code if answer.reason else None,
        at=now,
    )


def entered(before: JobStatus | None, status: JobStatus) -> list[Moment]:
    """The states that were entered between two versions of a job's status, in order."""
    known = before.timeline if before else ()
    return [each for each in status.timeline if each not in known]
