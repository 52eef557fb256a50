"""The leader's side of what the keyhole needs from its host: records, the scheduler's truth, the right to act."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from time import monotonic

from bwvisu.domain.admission import Admission, Admissions
from bwvisu.domain.audit import Action, AuditRecord, Result
from bwvisu.domain.job import JobId, JobStatus
from bwvisu.domain.lifecycle import Phase
from bwvisu.domain.naming import SlurmJobName
from bwvisu.domain.observation import Look
from bwvisu.planning.snapshot import JobView, Policy
from bwvisu.planning.submission import recognise
from bwvisu.planning.tracking import fold, row_of
from bwvisu.reconcilers.leadership import Leadership
from bwvisu.reconcilers.records import Records
from bwvisu.reconcilers.views import Views, present_run
from bwvisu.reconcilers.watcher import Watcher
from bwvisu.reconcilers.writer import Writer
from bwvisu.services.audit import audit
from keyhole.domain import (
    LIVE,
    Fence,
    Forward,
    Grant,
    GrantPhase,
    JobForwards,
    Network,
    PortRequest,
    Report,
    Run,
    Tenancy,
)
from keyhole.interfaces import Versioned


class LeaderBooks:
    """`keyhole.interfaces.Books` over the shelves of one cluster."""

    def __init__(
        self,
        cluster: str,
        records: Records,
        writer: Writer,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = monotonic,
        *,
        sharing: bool = True,
    ) -> None:
        """``sharing``: whether what came by a share counts."""
        self._cluster = cluster
        self._sharing = sharing
        self._records = records
        self._writer = writer
        self._wall = wall
        self._clock = clock
        self._expiries: dict[JobId, dict[tuple[str, datetime], float]] = {}
        """When admissions expire by ``clock``, by their ids and times."""

    def requests(self) -> Sequence[PortRequest]:
        """All requests of this cluster's jobs that are not over; those of jobs that are left alone wait."""
        kept = self._records.requests.kept.values()
        return [each.record for each in kept if self._may_ask(each.record.job_id)]

    def reports(self, job_id: JobId) -> Sequence[Report]:
        """All reports of one job, by run and number."""
        return sorted(self._records.reports.of(job_id), key=lambda report: (report.run, report.seq))

    def forwards(self) -> Mapping[str, Versioned]:
        """Every record of this cluster's jobs."""
        return {
            job_id: Versioned(kept.record, kept.revision)
            for job_id, kept in self._records.forwards.kept.items()
            if self._ours(job_id, kept.record.cluster)
        }

    def unread(self) -> Sequence[Grant] | None:
        """What records own of which no version could ever be read; whose they are by their jobs, or by themselves."""
        records = [record for job_id, record in self._records.salvaged.items() if self._ours(job_id, record.cluster)]
        return [grant for record in records for grant in record.grants] if records else None

    def admitted(self, job_id: JobId) -> Sequence[Network]:
        """Networks that the job's record admits now; of a damaged record its last readable version counts.

        The wall clock is asked once per entry, when this leader first sees it: one that jumps expires nobody in bulk,
        and lets nobody in again.  Where it was wrong at that moment, nobody stays for longer than they were given.
        """
        entries = (self._records.admissions.get(job_id) or Admissions()).entries
        wall, now, known = self._wall(), self._clock(), self._expiries.pop(job_id, {})
        expiries = {
            key: known[key] if key in known else now + (each.expires_at - max(wall, each.at)).total_seconds()
            for each in entries
            for key in [(each.id, each.expires_at)]
        }
        if expiries:
            self._expiries[job_id] = expiries
        counting = (each for each in entries if self._sharing or each.share is None)
        return [
            addresses for each in counting if expiries[each.id, each.expires_at] > now and (addresses := _network(each))
        ]

    async def write(self, record: JobForwards, revision: int | None) -> bool:
        """Compare-and-swap under our epoch; what the job was answered by it goes into the audit trail."""
        before = self._records.forwards.get(record.job_id) or JobForwards(job_id=record.job_id)
        ours = record.model_copy(update={"cluster": self._cluster})
        stored = await self._writer.put(self._records.keys.forwards(record.job_id), ours, revision)
        if stored:
            self._told(before, record)
        return stored

    async def delete(self, job_id: str, revision: int) -> bool:
        """Compare-and-delete under our epoch."""
        self._expiries.pop(job_id, None)
        return await self._writer.delete(self._records.keys.forwards(job_id), revision)

    def _told(self, before: JobForwards, after: JobForwards) -> None:
        spec = self._records.specs.get(after.job_id)
        for result, reason in answers(before, after):
            audit(
                AuditRecord(
                    action=Action.GRANT_PORTS,
                    result=result,
                    job=after.job_id,
                    user=spec.user if spec else None,
                    request=spec.request if spec else None,
                    reason=reason,
                    at=self._wall(),
                )
            )

    def _may_ask(self, job_id: JobId) -> bool:
        """Whether anything could come of it: of the most jobs that are kept, which are over, nothing can."""
        status = self._records.status.get(job_id)
        over = status is not None and status.phase is Phase.FINISHED
        return not over and job_id not in self._records.unreadable and self._ours(job_id)

    def _ours(self, job_id: JobId, cluster: str = "") -> bool:
        """Jobs of this cluster, and those that are forgotten: what was written of one at its very end must go too.

        ``cluster``: what the record itself says, which is all that is left of a forgotten job.
        """
        spec = self._records.specs.get(job_id)
        return (cluster or self._cluster) == self._cluster if spec is None else spec.cluster == self._cluster


def _network(admission: Admission) -> Network | None:
    """None: what was written there is no network, and admits nobody."""
    try:
        return admission.addresses
    except ValueError:
        return None


def answers(before: JobForwards, after: JobForwards) -> list[tuple[Result, str | None]]:
    """What is new to the job between two versions of its record: ways that are open, and refusals with their codes."""

    def ways(record: JobForwards) -> set[tuple[Run, tuple[Forward, ...]]]:
        return {(grant.run, grant.forwards) for grant in record.grants if grant.phase is GrantPhase.OPEN}

    ended = {str(grant.run) for grant in before.grants if grant.phase in LIVE}  # had its answer: this is its end
    refused = [
        each.code for run, each in after.refusals.items() if before.refusals.get(run) != each and run not in ended
    ]
    opened = [(Result.ACCEPTED, "moved" if after.moved(run) else None) for run, _ in ways(after) - ways(before)]
    return [*opened, *((Result.REFUSED, code) for code in refused)]


class LeaderTenants:
    """`keyhole.interfaces.Tenants`: each job's status as the last complete look makes it."""

    def __init__(self, views: Views, watcher: Watcher, policy: Callable[[], Policy], records: Records) -> None:
        self._views = views
        self._watcher = watcher
        self._policy = policy
        self._records = records

    def current(self) -> Mapping[str, Tenancy] | None:
        """Worked out only for the jobs that are asked for."""
        look = self._watcher.last
        return None if look is None else _Tenancies(self._views.current(), look, self._policy(), self._records)

    async def look_again(self) -> bool:
        """Wait for a complete look that begins now."""
        return await self._watcher.look_again()


class _Tenancies(Mapping[str, Tenancy]):
    def __init__(self, jobs: Mapping[JobId, JobView], look: Look, policy: Policy, records: Records) -> None:
        self._jobs = jobs
        self._look = look
        self._policy = policy
        self._records = records

    def __getitem__(self, job_id: JobId) -> Tenancy:
        if job_id in self._records.unreadable:
            return self._left_alone(job_id)
        view = self._jobs[job_id]
        status = self._status(view)
        return Tenancy(
            run=present_run(status),
            slurm_job_id=status.slurm.job_id if status.slurm is not None else None,
            hosts=status.slurm.nodes if status.slurm is not None else (),
            wanted=not view.stopped and status.phase in {Phase.RUNNING, Phase.READY},
            gone=status.phase is Phase.FINISHED,
            lingering=self._lingering(view),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._jobs)

    def __len__(self) -> int:
        return len(self._jobs)

    def _status(self, view: JobView) -> JobStatus:
        """The status as the look makes it, ahead of its record."""
        row = row_of(view, self._look, self._policy)
        if view.status.phase is Phase.SUBMITTING:
            row = recognise(view, self._look, self._policy)
        return fold(view, row, view.spec.created_at) if row is not None else view.status

    def _lingering(self, view: JobView) -> frozenset[Run]:
        """Runs of earlier attempts that the look still shows: strays on their way out."""
        runs: set[Run] = set()
        for attempt in range(1, view.status.attempt):
            name = SlurmJobName(self._policy.name_prefix, self._policy.installation, view.spec.id, attempt)
            for row in self._look.named(str(name)):
                if row.user == view.spec.user and not row.state.is_terminal:
                    runs.update(Run(attempt, restart) for restart in range(row.restarts + 1))
        return frozenset(runs)

    def _left_alone(self, job_id: JobId) -> Tenancy:
        """A job of which some record cannot be read keeps what it has until a person has mended it."""
        forwards = self._records.forwards.get(job_id)
        runs = [grant.run for grant in forwards.grants] if forwards is not None else []
        return Tenancy(max(runs, default=Run(0, 0)), None, (), wanted=True, gone=False)


class LeaderOffice:
    """`keyhole.interfaces.Office`: the fence that a gateway compares."""

    def __init__(self, leadership: Leadership, generation: int) -> None:
        self._leadership = leadership
        self._generation = generation

    def fence(self, seconds: float) -> Fence | None:
        """Our fence, while it surely lasts so long."""
        if self._leadership.remaining() <= seconds:
            return None
        return Fence(self._generation, self._leadership.epoch)
