"""Jobs that Slurm does not surely have yet: submit, recognise, submit again only on proof, or give up.

The rule that must never break: an unknown result is resolved by looking, never by guessing.
"""

from datetime import datetime

from bwvisu.domain.job import JobStatus, Reason
from bwvisu.domain.lifecycle import Event, Outcome, Phase
from bwvisu.domain.observation import Look, SlurmJob
from bwvisu.planning import words
from bwvisu.planning.evidence import Absence
from bwvisu.planning.progress import advance, finish
from bwvisu.planning.snapshot import JobView, Policy, Snapshot
from bwvisu.planning.tracking import NOBODY, fold, is_ours, too_early, unseen
from bwvisu.planning.verbs import LookUpUser, Record, Submit, Verb

DOUBTFUL_AT_MOST = 4
"""Submissions without a clear answer of which Slurm then has nothing: some sites' refusals are not recognisable
(``Unspecified error`` of a ``job_submit`` plugin), and nobody should wait for them for ever."""


def free_places(snapshot: Snapshot) -> int:
    """How many more submissions may be begun.

    Only so many are under way at once; and after a submission with an unknown result none is begun before a complete
    look has begun: a Slurm that hangs would make every job's fate unknown.
    """
    begun = [view.status.phase for job_id in snapshot.busy if (view := snapshot.jobs.get(job_id)) is not None]
    under_way = begun.count(Phase.NEW) + begun.count(Phase.SUBMITTING)
    doubts = [
        met.since
        for job_id, met in snapshot.memory.met.items()
        if met.slurm_job_id is None and job_id not in snapshot.busy
    ]
    calm = snapshot.look is not None and snapshot.look.began_at >= max(doubts, default=snapshot.look.began_at)
    return max(0, snapshot.policy.submissions_in_flight - under_way) if calm else 0


def plan_new(view: JobView, snapshot: Snapshot, *, room: bool, held: bool = False) -> Verb | None:
    """A job of which no submission was begun; ``held``: Slurm has as many jobs of its owner as it may."""
    if view.stopped:
        return _end(view, snapshot, Outcome.CANCELLED, words.stopped(view.spec, view.status))
    if held:
        return _tell(view, words.OWN_LIMIT)
    if snapshot.memory.held_back.get(view.spec.id, 0.0) > snapshot.monotonic:
        return None
    return _submit(view, snapshot, room=room)


def plan_unresolved(view: JobView, snapshot: Snapshot, *, room: bool) -> Verb | None:
    """A job whose submission was begun, and nobody waits for its answer any more."""
    found = recognise(view, snapshot.look, snapshot.policy)
    if found is not None:
        return Record(view.spec.id, fold(view, found, snapshot.now))
    absence = snapshot.absence_of(view)
    if absence is None or not absence.agreed(snapshot.policy.agree_after):
        return _tell(view, words.SUBMISSION_UNKNOWN)
    return _plan_absent(view, absence, snapshot, room=room)


def _plan_absent(view: JobView, absence: Absence, snapshot: Snapshot, *, room: bool) -> Verb | None:
    """Complete looks agree that Slurm has no such job.  Whether it never had one is another question."""
    if view.status.attempt in view.heard:
        return Record(view.spec.id, unseen(view, None, snapshot.now))
    if view.stopped:
        return _end(view, snapshot, Outcome.CANCELLED, words.stopped(view.spec, view.status))
    if snapshot.policy.min_job_age is None:
        return _tell(view, words.SUBMISSION_UNKNOWN)
    if not absence.within(snapshot.policy.min_job_age):
        return _end(view, snapshot, Outcome.LOST, words.NEVER_SUBMITTED)
    if view.status.doubtful >= DOUBTFUL_AT_MOST:
        return _end(view, snapshot, Outcome.REJECTED, words.never_taken(view.status.reason))
    return _submit(view, snapshot, room=room)


def recognise(view: JobView, look: Look | None, policy: Policy) -> SlurmJob | None:
    """The Slurm job of the present attempt; a live one before an ended one."""
    rows = look.named(view.name(policy)) if look is not None else ()
    ours = [row for row in rows if is_ours(view, row, policy) and not too_early(view.status, row.submitted_at, policy)]
    return min(ours, key=lambda row: (row.state.is_terminal, row.job_id), default=None)


def namesake(view: JobView, look: Look | None, policy: Policy) -> SlurmJob | None:
    """Any Slurm job of our name that may be our owner's.

    One that seems too early, or whose owner's account is gone, is not adopted; but while it is there nobody can say
    that ours is absent.
    """
    rows = look.named(view.name(policy)) if look is not None else ()
    return next((row for row in rows if row.user in {view.spec.user, NOBODY}), None)


def unsent(status: JobStatus, why: str, *, at: datetime) -> JobStatus:
    """The status after a submission that surely reached no command node; its attempt's number stays used."""
    return advance(status, Event.UNSENT, at=at, reason=words.unreachable(why))


def _submit(view: JobView, snapshot: Snapshot, *, room: bool) -> Verb | None:
    """It is sure that no Slurm job of this record exists."""
    name = view.spec.user
    user = snapshot.users.get(name)
    if not snapshot.reachable or (user is None and name in snapshot.users):
        return _tell(view, words.UNREACHABLE)
    if user is None:
        return LookUpUser(name)
    if not user.exists and not snapshot.surely_unknown(name):
        return _tell(view, words.USER_NOT_FOUND)
    if not user.exists or user.refused:
        return _end(view, snapshot, Outcome.REJECTED, words.not_allowed(user))
    return Submit(view.spec.id, _intent(view.status, snapshot), user.home) if room else None


def _intent(status: JobStatus, snapshot: Snapshot) -> JobStatus:
    """A job that waits for an unreachable cluster keeps saying so while it is tried."""
    still = status.phase is Phase.NEW and status.reason is not None and status.reason.code == words.UNREACHABLE.code
    reason = status.reason if still else None
    intent = advance(status, Event.INTENT, at=snapshot.now, reason=reason)
    doubtful = status.doubtful + (status.phase is Phase.SUBMITTING)
    return intent.model_copy(
        update={
            "attempt": status.attempt + 1,
            "intent_at": snapshot.now,
            "intent_clock": _clusters_clock(snapshot),
            "doubtful": doubtful,
        }
    )


def _clusters_clock(snapshot: Snapshot) -> int | None:
    """What the cluster's clock shows by now, at the least; None where nobody has looked at it."""
    look = snapshot.look
    return None if look is None else look.cluster_clock + int(max(0.0, snapshot.monotonic - look.ended_at))


def _tell(view: JobView, reason: Reason) -> Record | None:
    """Once: the words of a reason may differ in details."""
    if view.status.reason is not None and view.status.reason.code == reason.code:
        return None
    return Record(view.spec.id, view.status.model_copy(update={"reason": reason}))


def _end(view: JobView, snapshot: Snapshot, outcome: Outcome, reason: Reason) -> Record:
    return Record(view.spec.id, finish(view.status, outcome, reason, at=snapshot.now))
