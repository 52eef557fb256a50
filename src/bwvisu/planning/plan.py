"""The plan: what is to be done now, for every job of one cluster.  Pure; the clock is an argument.

Each job is judged by the phase that it is in:

===========  ==================================================================
phase        what may be planned
===========  ==================================================================
new          hold it back, look up its owner, submit, reject, or end it where it was stopped
submitting   recognise its Slurm job, submit again on proof of absence, or give up
queued ...   follow the look, judge its services, cancel where it was stopped,
             warn and stop where nobody uses it, change its run time where
             that was asked for
finished     forget, once nothing is left of it
===========  ==================================================================
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from bwvisu.domain.job import JobId
from bwvisu.domain.lifecycle import Phase
from bwvisu.planning.evidence import Missing
from bwvisu.planning.extension import plan_extension
from bwvisu.planning.idle import plan_idle
from bwvisu.planning.quota import at_work
from bwvisu.planning.readiness import judge
from bwvisu.planning.retirement import find_strays, plan_finished, plan_stop
from bwvisu.planning.snapshot import JobView, Met, Snapshot
from bwvisu.planning.submission import free_places, namesake, plan_new, plan_unresolved
from bwvisu.planning.tracking import follow, plan_inspection, row_of
from bwvisu.planning.verbs import Record, Submit, Verb


@dataclass(frozen=True, slots=True)
class Plan:
    """At most one verb for each job, in an order in which they may be executed, and what a person should be told."""

    verbs: tuple[Verb, ...]
    foreign: tuple[str, ...] = ()
    """Slurm jobs that carry our installation's name and are not ours."""


def plan(snapshot: Snapshot) -> Plan:
    """Decide what to do next.  A job on which a verb is still at work is left alone."""
    strays = find_strays(snapshot)
    left_alone = snapshot.busy | {verb.job_id for verb in strays.cancel}
    verbs: list[Verb] = list(strays.cancel)
    places, limit = free_places(snapshot), snapshot.policy.running_per_user
    owners = at_work(snapshot) if limit is not None else Counter[str]()
    for job_id, view in sorted(snapshot.jobs.items()):
        if job_id in left_alone:
            continue
        held = limit is not None and owners[view.spec.user] >= limit
        verb = _plan_job(view, snapshot, room=places > 0, held=held)
        if verb is not None:
            places -= isinstance(verb, Submit)
            owners[view.spec.user] += isinstance(verb, Submit) and view.status.phase is Phase.NEW
            verbs.append(verb)
    return Plan(tuple(dict.fromkeys(verbs)), strays.foreign)


def _plan_job(view: JobView, snapshot: Snapshot, *, room: bool, held: bool) -> Verb | None:
    match view.status.phase:
        case Phase.NEW:
            return plan_new(view, snapshot, room=room, held=held)
        case Phase.SUBMITTING:
            return plan_unresolved(view, snapshot, room=room)
        case Phase.FINISHED:
            return plan_finished(view, snapshot)
        case _:
            return _plan_live(view, snapshot)


def _plan_live(view: JobView, snapshot: Snapshot) -> Verb | None:
    """A job that Slurm has: written down as it is now; once that is done, ended, given more time, or asked about."""
    status = judge(view, follow(view, snapshot), snapshot.now)
    if status is not view.status and status != view.status:
        return Record(view.spec.id, status)
    for part in (plan_stop, plan_idle, plan_extension, plan_inspection):
        verb = part(view, snapshot)
        if verb is not None:
            return verb
    return None


def remember(snapshot: Snapshot) -> dict[JobId, Met]:
    """How this leader met each submission that has not ended.

    It starts to wait only when it sees one for the first time: monotonic time does not pass between leaders.
    """
    met: dict[JobId, Met] = {}
    for job_id, view in snapshot.jobs.items():
        status = view.status
        if status.phase is Phase.NEW or status.phase is Phase.FINISHED:
            continue
        slurm_job_id = status.slurm.job_id if status.slurm is not None else None
        waiting = slurm_job_id is None and job_id in snapshot.busy
        known = snapshot.memory.met.get(job_id)
        if known is None or known.attempt != status.attempt or known.slurm_job_id != slurm_job_id:
            origin = _origin(status.intent_at, snapshot, ours=waiting)
            known = Met(status.attempt, slurm_job_id, origin, snapshot.monotonic)
        elif waiting:
            known = replace(known, since=snapshot.monotonic)
        met[job_id] = known
    return met


def _origin(intent_at: datetime | None, snapshot: Snapshot, *, ours: bool) -> float:
    """The intent's time by our monotonic clock; where the wall clocks cannot be trusted: nobody knows how long ago."""
    age = (snapshot.now - intent_at).total_seconds() if intent_at is not None else math.inf
    tolerance = snapshot.policy.replica_tolerance
    if age < -tolerance:
        return -math.inf
    return snapshot.monotonic - max(age, 0.0) - (0.0 if ours else tolerance)


def missing(snapshot: Snapshot) -> Iterator[Missing]:
    """The jobs that the last look should show if they were there, and does not; for `evidence.weigh`."""
    for job_id, met in snapshot.memory.met.items():
        view = snapshot.jobs[job_id]
        if met.slurm_job_id is not None:
            since, row = met.since, row_of(view, snapshot.look, snapshot.policy)
        elif job_id not in snapshot.busy:
            since, row = met.since + snapshot.policy.submit_settle, namesake(view, snapshot.look, snapshot.policy)
        else:
            continue
        if row is None:
            yield Missing(job_id, met.attempt, met.slurm_job_id, since, met.origin)
