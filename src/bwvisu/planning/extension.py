"""Another run time for a job that Slurm has: may it be, has Slurm been told, did it take it?

A time counts as applied only once a look shows it: the look must have begun when no earlier word to Slurm could take
effect any more.  So a change whose answer was lost is told again, and an earlier one never comes after a later one.
"""

from datetime import datetime, timedelta

from bwvisu.domain.job import Extension, ExtensionState, ExtensionStatus, JobSpec, JobStatus, Reason
from bwvisu.domain.lifecycle import Phase
from bwvisu.domain.observation import Refused, TimeSet, Unknown
from bwvisu.planning.snapshot import JobView, Snapshot
from bwvisu.planning.tracking import row_of
from bwvisu.planning.verbs import Extend, Record

NOT_EXTENDABLE = "not-extendable"
TRIES = 3
"""So often Slurm is told of one time without a clear answer; looks have then shown as often that it did not take it."""
_CLOSED = {
    Phase.NEW: "It is not in the cluster's queue yet.",
    Phase.SUBMITTING: "It is not in the cluster's queue yet.",
    Phase.ENDING: "It is ending.",
    Phase.FINISHED: "It is over.",
}


def plan_extension(view: JobView, snapshot: Snapshot) -> Extend | Record | None:
    """What to do about the time that was last asked for."""
    wanted, known = view.spec.extension, view.status.extension
    if wanted is None or answer(view.spec, view.status) is not None:
        return None
    begun = known is not None and known.number == wanted.number
    longest, now = snapshot.policy.longest, snapshot.now
    why = closed(view.spec, view.status) if begun else objection(view.spec, view.status, wanted.minutes, longest, now)
    if why:
        return _answered(view, wanted, ExtensionState.REFUSED, Reason(code=NOT_EXTENDABLE, message=why))
    return _tell(view, wanted, snapshot)


def _tell(view: JobView, wanted: Extension, snapshot: Snapshot) -> Extend | Record | None:
    told = snapshot.memory.told.get(view.spec.id)
    result = told.result if told is not None and told.number == wanted.number else None
    if isinstance(result, Refused):
        return _answered(view, wanted, ExtensionState.REFUSED, Reason(code=result.code, message=result.message))
    row = row_of(view, snapshot.look, snapshot.policy)
    if row is None or not _settled(view, snapshot):
        return None
    if row.time_limit == wanted.minutes * 60 or isinstance(result, TimeSet):
        return _answered(view, wanted, ExtensionState.APPLIED)
    if isinstance(result, Unknown) and told is not None and told.tries >= TRIES:
        return _answered(view, wanted, ExtensionState.REFUSED, _never_taken(result))
    intent = _answered(view, wanted, ExtensionState.PENDING).status
    return Extend(view.spec.id, intent, row.job_id, view.spec.user, row.name, wanted.number, wanted.minutes)


def objection(spec: JobSpec, status: JobStatus, minutes: int, longest: int | None, now: datetime) -> str:
    """Why a job cannot be given so many minutes in all; empty: Slurm may be asked.

    ``longest``: what the cluster allows; None: it allows no change.
    """
    if why := closed(spec, status):
        return why
    if longest is None:
        return "This cluster does not let a job's run time be changed."
    if minutes > longest:
        return f"This cluster allows at most {longest} minutes."
    started = status.slurm.started_at if status.slurm is not None else None
    if started is not None and now - started >= timedelta(minutes=minutes):
        return "It has run for longer already; to end it now, stop it."
    return ""


def closed(spec: JobSpec, status: JobStatus) -> str:
    """Why nothing can be changed of a job any more, or yet; empty: it can."""
    over = status.phase in {Phase.ENDING, Phase.FINISHED}
    return "It was told to stop." if (spec.stopped or status.idled) and not over else _CLOSED.get(status.phase, "")


def standing(spec: JobSpec, status: JobStatus) -> tuple[ExtensionState, Reason | None]:
    """What became of the time that was last asked for, as far as it is known."""
    known = answer(spec, status)
    if known is not None:
        return known.state, known.reason
    if why := closed(spec, status):
        return ExtensionState.REFUSED, Reason(code=NOT_EXTENDABLE, message=why)
    return ExtensionState.PENDING, None


def answer(spec: JobSpec, status: JobStatus) -> ExtensionStatus | None:
    """What the leader said of the time that was last asked for; None: nothing yet."""
    wanted, known = spec.extension, status.extension
    if wanted is None or known is None or known.number != wanted.number or known.state is ExtensionState.PENDING:
        return None
    return known


def _never_taken(last: Unknown) -> Reason:
    return Reason(code=NOT_EXTENDABLE, message=f"Slurm did not take it. Its last words: {last.reason}")


def _settled(view: JobView, snapshot: Snapshot) -> bool:
    """Whether the last look began after all that Slurm was ever told of this job's time had been carried out or not."""
    memory, look, settle = snapshot.memory, snapshot.look, snapshot.policy.extend_settle
    told, met = memory.told.get(view.spec.id), memory.met.get(view.spec.id)
    if look is None or met is None:
        return False
    if told is not None:
        return look.began_at >= told.at + (settle if isinstance(told.result, Unknown) else 0.0)
    known = view.status.extension
    inherited = known is not None and known.state is ExtensionState.PENDING
    return not inherited or look.began_at >= met.since + settle


def _answered(view: JobView, wanted: Extension, state: ExtensionState, reason: Reason | None = None) -> Record:
    known = ExtensionStatus(number=wanted.number, state=state, reason=reason)
    return Record(view.spec.id, view.status.model_copy(update={"extension": known}))
