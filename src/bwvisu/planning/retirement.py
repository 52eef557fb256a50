"""Ending what shall not be: jobs that were stopped, strays, and records that have had their time."""

from dataclasses import dataclass

from bwvisu.domain.lifecycle import Phase
from bwvisu.domain.naming import SlurmJobName
from bwvisu.domain.observation import SlurmJob, StateGroup
from bwvisu.planning.snapshot import JobView, Snapshot
from bwvisu.planning.tracking import is_ours, row_of
from bwvisu.planning.verbs import Cancel, Forget


def plan_stop(view: JobView, snapshot: Snapshot) -> Cancel | None:
    """A job that Slurm has and that is to end: cancelled again and again until it is seen to end."""
    slurm = view.status.slurm
    if not view.stopped or slurm is None or not snapshot.due(snapshot.memory.cancelled.get(slurm.job_id)):
        return None
    row = row_of(view, snapshot.look, snapshot.policy)
    if row is not None and row.state.group in {StateGroup.COMPLETING, StateGroup.TERMINAL}:
        return None
    return Cancel(view.spec.id, slurm.job_id, view.spec.user, view.name(snapshot.policy))


def plan_finished(view: JobView, snapshot: Snapshot) -> Forget | None:
    """A job that is over: forgotten once nothing of it is left and its time has passed."""
    finished_at = view.status.finished_at
    over = finished_at is not None and snapshot.now - finished_at >= snapshot.policy.retention
    return Forget(view.spec.id) if over and not view.holds_ports else None


@dataclass(frozen=True, slots=True)
class Strays:
    """What the look shows under our names although it should not be there."""

    cancel: tuple[Cancel, ...]
    """Surely ours: one of our jobs, its owner, but not its present submission."""
    foreign: tuple[str, ...]
    """Names like ours of unknown jobs or other owners: told, never touched."""


def find_strays(snapshot: Snapshot) -> Strays:
    """Sort every live job that carries this installation's name."""
    cancel: list[Cancel] = []
    foreign: list[str] = []
    for row in snapshot.look.rows.values() if snapshot.look is not None else ():
        name = None if row.state.is_terminal else SlurmJobName.parse(row.name)
        if name is None or name.installation != snapshot.policy.installation or name.job_id in snapshot.set_aside:
            continue
        view = snapshot.jobs.get(name.job_id)
        if view is None or not _owned(view, row, snapshot) or name.attempt > view.status.attempt:
            foreign.append(f"{row.job_id} of {row.user}: {row.name}")
        elif _is_stray(view, row, name) and _may_cancel(row, name, snapshot):
            cancel.append(Cancel(view.spec.id, row.job_id, row.user, row.name, stray=True))
    return Strays(tuple(cancel), tuple(foreign))


def _owned(view: JobView, row: SlurmJob, snapshot: Snapshot) -> bool:
    return row.user == view.spec.user or is_ours(view, row, snapshot.policy)


def _is_stray(view: JobView, row: SlurmJob, name: SlurmJobName) -> bool:
    """Whether it is another job than the one that the status tells of."""
    if view.status.phase is Phase.FINISHED or name.attempt < view.status.attempt:
        return True
    known = view.status.slurm
    return known is not None and known.job_id != row.job_id


def _may_cancel(row: SlurmJob, name: SlurmJobName, snapshot: Snapshot) -> bool:
    if name.job_id in snapshot.busy or row.state.group is StateGroup.COMPLETING:
        return False
    return snapshot.due(snapshot.memory.cancelled.get(row.job_id))
