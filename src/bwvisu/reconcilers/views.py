"""One `JobView` per job of a cluster, built from the shelves and rebuilt only when something of it changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, TypeGuard

from bwvisu.domain.job import JobId, JobSpec, JobStatus, Reason, Service
from bwvisu.planning.snapshot import JobView
from bwvisu.reconcilers.records import Records
from keyhole.activity import Told
from keyhole.domain import Grant, GrantPhase, JobForwards, Report, Run

JOB_KINDS = frozenset({"specs", "status", "forwards", "requests", "reports"})
"""Kinds whose keys begin with a job's id."""


class Board(Protocol):
    """Where the probers write what they found."""

    def reachable(self, job_id: JobId, grant: Grant, reports: tuple[Report, ...]) -> tuple[bool | None, ...]:
        """For each forward of the grant, in order: does the job's own application answer?  None: not known yet."""
        ...

    def told(self, job_id: JobId, grant: Grant) -> tuple[Told | None, ...]:
        """For each forward of the grant, in order, what is to be written down of its users; None: nobody has looked."""
        ...


class Views:
    """The jobs of one cluster."""

    def __init__(self, cluster: str, records: Records, board: Board) -> None:
        self._cluster = cluster
        self._records = records
        self._board = board
        self._views: dict[JobId, JobView] = {}
        self._changed: set[JobId] = set(records.specs.kept)

    @property
    def set_aside(self) -> frozenset[JobId]:
        """Jobs that are not shown because a record of theirs cannot be read."""
        return frozenset(self._records.unreadable)

    def changed(self, job_id: JobId) -> None:
        """Something of this job is not as it was."""
        self._changed.add(job_id)

    def current(self) -> Mapping[JobId, JobView]:
        """All readable jobs of the cluster."""
        for job_id in self._changed:
            view = self._view(job_id)
            if view is None:
                self._views.pop(job_id, None)
            else:
                self._views[job_id] = view
        self._changed.clear()
        return self._views

    def _view(self, job_id: JobId) -> JobView | None:
        spec = self._records.specs.get(job_id)
        if spec is None or spec.cluster != self._cluster or job_id in self._records.unreadable:
            return None
        status = self._records.status.get(job_id) or JobStatus()
        forwards = self._records.forwards.get(job_id)
        reports = tuple(self._records.reports.of(job_id))
        run = present_run(status)
        grant = forwards.grant_for(run) if forwards is not None else None
        answers = self._board.reachable(spec.id, grant, reports) if _is_open(grant) else None
        told = self._board.told(spec.id, grant) if _is_open(grant) else ()
        moved = forwards is not None and forwards.moved(run)
        return JobView(
            spec=spec,
            status=status,
            heard=frozenset(
                [record.attempt for record in self._records.requests.of(job_id)]
                + [report.attempt for report in reports]
            ),
            exit_code=_exit_code(reports, run),
            services=_services(spec, status, grant, answers, told),
            moved=moved,
            moving=moved and (answers is None or None in answers),
            leaving=forwards is not None and forwards.leaving(run),
            refusal=_refusal(run, forwards),
            holds_ports=forwards is not None,
        )


def _services(
    spec: JobSpec,
    status: JobStatus,
    grant: Grant | None,
    answers: tuple[bool | None, ...] | None,
    told: tuple[Told | None, ...],
) -> tuple[Service, ...] | None:
    if grant is None or answers is None:
        return None
    before = {(each.gateway, each.external_host, each.external_port): each for each in status.services}
    active = {(each.name, each.internal_port): each.last_active_at for each in status.services}
    services: list[Service] = []
    for declared, forward, answer, use in zip(spec.services, grant.forwards, answers, told, strict=False):
        host, port = grant.public(forward)
        known = before.get((grant.gateway, host, port))
        service = Service(
            name=declared.name,
            # A proxy speaks TLS with the users, whatever the application speaks.
            protocol="https" if grant.public_port else declared.protocol,
            gateway=grant.gateway,
            external_host=host,
            external_port=port,
            internal_host=forward.internal_host,
            internal_port=forward.internal_port,
            reachable=(known is not None and known.reachable) if answer is None else answer,
        )
        # What has moved was used where it was, too.
        last = active.get((service.name, service.internal_port))
        services.append(service.model_copy(update=_use(known, use, last)))
    # The very same ones where nothing is new: every pass compares them, and what is identical is equal at once.
    return status.services if tuple(services) == status.services else tuple(services)


def _use(known: Service | None, told: Told | None, last: datetime | None) -> dict[str, object]:
    """Who uses a service: as this leader tells it; where it has not looked yet, as it is written down."""
    if told is None:
        kept = ("connections", "bytes_in", "bytes_out") if known is not None else ()
        return {"last_active_at": last} | {name: getattr(known, name) for name in kept}
    if told.totals is None:
        return {"connections": told.connections}
    return {
        "connections": told.connections,
        "bytes_in": told.totals.bytes_in,
        "bytes_out": told.totals.bytes_out,
        "last_active_at": told.active_at or last,
    }


def _is_open(grant: Grant | None) -> TypeGuard[Grant]:
    return grant is not None and grant.phase is GrantPhase.OPEN


def present_run(status: JobStatus) -> Run:
    """Which start of the job's script is the present one."""
    return Run(status.attempt, status.slurm.restarts if status.slurm is not None else 0)


def _exit_code(reports: tuple[Report, ...], run: Run) -> int | None:
    codes = [report.exit_code for report in reports if report.run == run and report.event == "exited"]
    return codes[-1] if codes else None


def _refusal(run: Run, forwards: JobForwards | None) -> Reason | None:
    refusal = forwards.refusals.get(str(run)) if forwards is not None else None
    return Reason(code=refusal.code, message=refusal.message) if refusal is not None else None
