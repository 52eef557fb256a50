"""A Slurm of a few lines: what its users can see of it, with the ways in which it goes wrong.

Pure and without a clock of its own; time is what the machine says.
"""

from dataclasses import dataclass, field, replace

from bwvisu.domain.observation import (
    Details,
    ExitStatus,
    Final,
    Look,
    ProvenAbsent,
    SlurmJob,
    SlurmState,
    StateGroup,
    StillThere,
)

MIN_JOB_AGE = 300.0


@dataclass(slots=True)
class Entry:
    """A job as slurmctld keeps it."""

    row: SlurmJob
    ended_at: float | None = None


@dataclass(slots=True)
class Slurm:
    """Jobs, and submissions that a hanging sbatch may still make."""

    next_id: int = 1
    jobs: dict[int, Entry] = field(default_factory=dict)
    lingering: list[tuple[float, str, str]] = field(default_factory=list)
    """(last moment, name, user): an sbatch of which nobody knows whether it gets through."""
    existed: set[str] = field(default_factory=set)
    """Names of all jobs since the last reset."""

    def submit(self, name: str, user: str, clock: int) -> int:
        self.existed.add(name)
        job_id = self.next_id
        self.next_id += 1
        self.jobs[job_id] = Entry(
            SlurmJob(
                job_id=job_id,
                name=name,
                user=user,
                state=SlurmState.PENDING,
                reason="Priority",
                nodes=(),
                partition="cpu",
                submitted_at=clock,
                started_at=None,
                expected_start_at=None,
                ends_at=None,
                time_limit=3600,
                restarts=0,
                exit_status=None,
            )
        )
        return job_id

    def change(self, job_id: int, now: float, state: SlurmState, **fields: object) -> None:
        entry = self.jobs[job_id]
        nodes = ("node1",) if state.group in {StateGroup.ACTIVE, StateGroup.COMPLETING} else ()
        ended = ExitStatus(0, 0) if state.is_terminal else None
        entry.row = replace(entry.row, state=state, nodes=nodes, exit_status=ended, **fields)  # type: ignore[arg-type]
        entry.ended_at = now if state.is_terminal else None

    def live(self, user: str | None = None) -> list[SlurmJob]:
        rows = [entry.row for _, entry in sorted(self.jobs.items()) if not entry.row.state.is_terminal]
        return [row for row in rows if user in {None, row.user}]

    def purge(self, now: float) -> None:
        """What ended long ago is forgotten; an sbatch that lingered too long is killed."""
        self.jobs = {
            job_id: entry
            for job_id, entry in self.jobs.items()
            if entry.ended_at is None or now - entry.ended_at < MIN_JOB_AGE
        }
        self.lingering = [each for each in self.lingering if now < each[0]]

    def reset(self) -> None:
        """All jobs are gone and numbers start again."""
        self.jobs, self.next_id, self.existed = {}, 1, set()

    def look(self, now: float, clock: int) -> Look:
        return Look({job_id: entry.row for job_id, entry in self.jobs.items()}, now, now, clock)

    def cancel(self, job_id: int, user: str, name: str, now: float, *, stubborn: bool) -> bool:
        entry = self.jobs.get(job_id)
        if entry is None or entry.row.state.is_terminal or (entry.row.user, entry.row.name) != (user, name):
            return False
        running = entry.row.state.group is not StateGroup.PENDING
        self.change(job_id, now, SlurmState.COMPLETING if stubborn and running else SlurmState.CANCELLED)
        return True

    def details(self, job_id: int) -> Details:
        """scontrol, then an accounting database that never saw anything."""
        entry = self.jobs.get(job_id)
        if entry is None:
            return ProvenAbsent()
        row = entry.row
        if row.state.is_terminal:
            return Final(row.state, row.reason, row.exit_status, None, None, (), row.user, row.submitted_at)
        return StillThere(row.state, row.user, row.submitted_at)
