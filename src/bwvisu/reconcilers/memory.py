"""What one leader remembers between passes, and forgets with its office."""

from dataclasses import dataclass, field

from bwvisu.domain.job import JobId
from bwvisu.domain.observation import Details, Look
from bwvisu.planning.evidence import Absence
from bwvisu.planning.snapshot import Memory, Met, Told, Watch


@dataclass(slots=True)
class LeaderMemory:
    """The mutable side of `Memory`; see there."""

    met: dict[JobId, Met] = field(default_factory=dict)
    absences: dict[JobId, Absence] = field(default_factory=dict)
    details: dict[JobId, Details] = field(default_factory=dict)
    inspected: dict[JobId, float] = field(default_factory=dict)
    held_back: dict[JobId, float] = field(default_factory=dict)
    cancelled: dict[int, float] = field(default_factory=dict)
    told: dict[JobId, Told] = field(default_factory=dict)
    watches: dict[JobId, Watch] = field(default_factory=dict)

    def view(self) -> Memory:
        """What the planner sees: not a copy, so it must not be kept beyond a pass."""
        return Memory(
            self.met,
            self.absences,
            self.details,
            self.inspected,
            self.held_back,
            self.cancelled,
            self.told,
            self.watches,
        )

    def tidy(self, look: Look) -> None:
        """After a complete look: drop what was asked about jobs that are visible again, or not any more."""
        for asked in (self.details, self.inspected):
            for job_id in asked.keys() - self.absences.keys():
                del asked[job_id]
        for slurm_job_id in self.cancelled.keys() - look.rows.keys():
            del self.cancelled[slurm_job_id]

    def drop(self, job_id: JobId) -> None:
        """Forget a job."""
        for kept in (self.met, self.absences, self.details, self.inspected, self.held_back, self.told):
            kept.pop(job_id, None)
