"""What a complete look, or Slurm's word about one job, means for a job's status."""

from datetime import UTC, datetime

from bwvisu.domain.job import JobStatus, Reason, SlurmView
from bwvisu.domain.lifecycle import Event, Outcome, Phase, State
from bwvisu.domain.observation import Details, ExitStatus, Final, Look, ProvenAbsent, SlurmJob, StateGroup, StillThere
from bwvisu.planning import words
from bwvisu.planning.evidence import Absence
from bwvisu.planning.progress import advance, finish
from bwvisu.planning.snapshot import JobView, Policy, Snapshot
from bwvisu.planning.verbs import Inspect

NOBODY = "nobody"
"""How Slurm's commands show an owner whose account is gone (22.05, measured)."""
LOOKS_TO_LOSE = 3
"""The look that misses a job that Slurm had, and two more that agree."""


def follow(view: JobView, snapshot: Snapshot) -> JobStatus:
    """The status of a job that Slurm surely had, as the last look and Slurm's word about it make it."""
    row = row_of(view, snapshot.look, snapshot.policy)
    if row is not None:
        return fold(view, row, snapshot.now)
    absence = snapshot.absence_of(view)
    return view.status if absence is None else _vanished(view, absence, snapshot)


def plan_inspection(view: JobView, snapshot: Snapshot) -> Inspect | None:
    """Ask Slurm about a job that looks should show and do not."""
    job_id, slurm = view.spec.id, view.status.slurm
    if slurm is None or snapshot.absence_of(view) is None or not snapshot.due(snapshot.memory.inspected.get(job_id)):
        return None
    return Inspect(job_id, slurm.job_id)


def row_of(view: JobView, look: Look | None, policy: Policy) -> SlurmJob | None:
    """The job's row: its id *and* its name and owner, since Slurm may begin to count anew."""
    slurm = view.status.slurm
    row = look.rows.get(slurm.job_id) if look is not None and slurm is not None else None
    return row if row is not None and is_ours(view, row, policy) else None


def is_ours(view: JobView, row: SlurmJob, policy: Policy) -> bool:
    """Whether a row is of the job's present attempt: by name and owner.

    An account that has been deleted is shown as `NOBODY`; its job is still ours where we have known its number before.
    """
    if row.name != view.name(policy):
        return False
    known = view.status.slurm is not None and view.status.slurm.job_id == row.job_id
    return row.user == view.spec.user or (known and row.user == NOBODY)


def too_early(status: JobStatus, submitted_at: int | None, policy: Policy) -> bool:
    """Whether a Slurm job of that submit time was there before we had the intent: names can be foreseen.

    Told by the cluster's clock: ours may have been an hour fast when the intent was stored, and the job is then ours.
    """
    if status.intent_at is None or submitted_at is None:
        return False
    intended = status.intent_at.timestamp() if status.intent_clock is None else status.intent_clock
    return submitted_at < intended - policy.clock_tolerance


def fold(view: JobView, row: SlurmJob, now: datetime) -> JobStatus:
    """The status after this row was seen; the very same one where the row says nothing new."""
    status, group = view.status, row.state.group
    if status.phase is Phase.FINISHED:
        return status
    restarted = status.slurm is not None and _restarts(row, status.slurm) > status.slurm.restarts
    events = _events(status.phase, group, restarted=restarted)
    quiet = not events and group is not StateGroup.TERMINAL
    if quiet and status.slurm is not None and _shows(status.slurm, row):
        return status
    seen = status.model_copy(update={"slurm": _view(row, status.slurm)})
    if quiet and group is StateGroup.UNRECOGNISED:
        return seen
    moved = advance(seen, *events, at=now, reason=status.reason)
    if group is StateGroup.TERMINAL:
        return _over(moved, view, Final(row.state, row.reason, row.exit_status, None, None, ()), now)
    return moved.model_copy(update={"reason": _reason(moved, row, moved=bool(events))})


def unseen(view: JobView, details: Details | None, now: datetime) -> JobStatus:
    """The end of a job that surely ran or waited, is gone, and of which Slurm does not know how it ended."""
    code = _exit_code(None, None, view)
    if view.stopped:
        return finish(view.status, Outcome.CANCELLED, words.stopped(view.spec, view.status), at=now, exit_code=code)
    if view.exit_code is not None:
        outcome = Outcome.COMPLETED if view.exit_code == 0 else Outcome.FAILED
        return finish(view.status, outcome, _heard(view, words.reported(view.exit_code)), at=now, exit_code=code)
    reason = words.NO_RECORD if isinstance(details, ProvenAbsent) else words.NO_ANSWER
    return finish(view.status, Outcome.LOST, reason, at=now)


def _events(phase: Phase, group: StateGroup, *, restarted: bool) -> tuple[Event, ...]:
    """The steps from a phase to where a row of this group shows the job, short of its end."""
    first: tuple[Event, ...] = ()
    if phase is Phase.SUBMITTING:
        first, phase = (Event.SUBMITTED,), Phase.QUEUED
    elif phase is not Phase.QUEUED and _requeued(phase, group, restarted=restarted):
        first, phase = (Event.REQUEUED,), Phase.QUEUED
    if group is StateGroup.ACTIVE and phase is Phase.QUEUED:
        return (*first, Event.STARTED)
    if group is StateGroup.COMPLETING and phase is not Phase.ENDING:
        return (*first, Event.ENDING)
    return first


def _requeued(phase: Phase, group: StateGroup, *, restarted: bool) -> bool:
    """By its restart count; or it ran and waits again (a job of ours that is being ended may well wait still)."""
    return restarted or (group is StateGroup.PENDING and phase is not Phase.ENDING)


def _reason(status: JobStatus, row: SlurmJob, *, moved: bool) -> Reason | None:
    """A job that stays where it is keeps what `readiness` or a cancellation said of it."""
    if status.phase is Phase.QUEUED:
        return words.waiting(row.reason)
    if not moved:
        return status.reason
    return words.STARTING if status.phase is Phase.RUNNING else None


def _vanished(view: JobView, absence: Absence, snapshot: Snapshot) -> JobStatus:
    """No look shows it any more: Slurm's word on this one job decides, else its own report, else further looks."""
    details = snapshot.memory.details.get(view.spec.id)
    known = isinstance(details, Final | StillThere) and _is_about(view, details, snapshot.policy)
    if known and isinstance(details, Final):
        return _over(view.status, view, details, snapshot.now)
    lasting = absence.agreed(snapshot.policy.agree_after, looks=LOOKS_TO_LOSE)
    return unseen(view, details, snapshot.now) if lasting and details is not None and not known else view.status


def _is_about(view: JobView, details: Final | StillThere, policy: Policy) -> bool:
    """Whether Slurm, asked by number, spoke of our job: after a reset the number may be another's."""
    slurm = view.status.slurm
    if details.user not in {view.spec.user, NOBODY} or slurm is None:
        return False
    if slurm.submitted_at is None:
        return not too_early(view.status, details.submitted_at, policy)
    return details.submitted_at == _epoch(slurm.submitted_at)


def _over(status: JobStatus, view: JobView, final: Final, now: datetime) -> JobStatus:
    if status.slurm is not None:
        last = status.slurm.model_copy(update={"state": final.state.value, "reason": _word(final.reason)})
        status = status.model_copy(update={"slurm": last})
    outcome = words.OUTCOMES.get(final.state, Outcome.FAILED)
    if outcome is Outcome.FAILED and _turned_away(view):
        return finish(status, Outcome.CANCELLED, words.stopped(view.spec, view.status), at=now)
    stopped = words.stopped(view.spec, view.status) if view.stopped else None
    reason = _heard(view, words.ended(final.state, final.reason, final.exit_status, stopped))
    return finish(status, outcome, reason, at=now, exit_code=_exit_code(outcome, final.exit_status, view))


def _turned_away(view: JobView) -> bool:
    """Whether its script ended because the keyhole gives a job no ports once it is to end."""
    return view.stopped and view.refusal is not None and view.refusal.code == words.NOT_WANTED


def _heard(view: JobView, reason: Reason) -> Reason:
    """Why it ended; said differently where its user never reached anything."""
    reached = any(moment.state is State.AVAILABLE for moment in view.status.timeline)
    return reason if reached or not view.spec.services else words.never_listened(reason)


def _exit_code(outcome: Outcome | None, status: ExitStatus | None, view: JobView) -> int | None:
    """A script that was ended from outside has no exit code, though Slurm then says 0."""
    if outcome in {Outcome.COMPLETED, Outcome.FAILED} and status is not None and not status.signal:
        return status.code
    return view.exit_code if view.exit_code is not None and view.exit_code >= 0 else None


def _view(row: SlurmJob, before: SlurmView | None) -> SlurmView:
    return SlurmView(
        job_id=row.job_id,
        state=row.state.value,
        reason=_word(row.reason),
        nodes=_nodes(row, before),
        partition=row.partition,
        submitted_at=_time(row.submitted_at),
        expected_start_at=_time(row.expected_start_at),
        started_at=_time(row.started_at),
        ends_at=_time(row.ends_at),
        time_limit=row.time_limit,
        restarts=_restarts(row, before),
    )


def _shows(view: SlurmView, row: SlurmJob) -> bool:
    """Whether `_view` of the row would be this view: told without making one, for thousands of idle jobs a pass.

    A submit or start time changes only together with the state or the restart count.
    """
    return (
        view.state == row.state
        and view.reason == _word(row.reason)
        and view.nodes == _nodes(row, view)
        and view.partition == row.partition
        and view.restarts == _restarts(row, view)
        and _epoch(view.expected_start_at) == row.expected_start_at
        and _epoch(view.ends_at) == row.ends_at
        and view.time_limit == row.time_limit
    )


def _restarts(row: SlurmJob, before: SlurmView | None) -> int:
    """Which run the row is of: Slurm counts a requeue at once, while the run before it is still completing (22.05)."""
    return before.restarts if before is not None and row.state.group is StateGroup.COMPLETING else row.restarts


def _nodes(row: SlurmJob, before: SlurmView | None) -> tuple[str, ...]:
    """Where it runs; where it ran, once that is over; never where it ran before a requeue."""
    if row.nodes or before is None:
        return row.nodes
    return before.nodes if row.state.group in {StateGroup.COMPLETING, StateGroup.TERMINAL} else ()


def _word(reason: str) -> str | None:
    return None if reason == "None" else reason


def _time(epoch: int | None) -> datetime | None:
    return datetime.fromtimestamp(epoch, UTC) if epoch is not None else None


def _epoch(time: datetime | None) -> int | None:
    return int(time.timestamp()) if time is not None else None
