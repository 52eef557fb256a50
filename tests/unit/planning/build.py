"""Jobs, rows, looks and snapshots for the planner's tests, each with only what matters said."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bwvisu.domain.cluster import ClusterUser
from bwvisu.domain.job import JobSpec, JobStatus, Service, ServiceName, SlurmView, Wanted
from bwvisu.domain.lifecycle import Phase
from bwvisu.domain.observation import ExitStatus, Look, SlurmJob, SlurmState
from bwvisu.planning.evidence import weigh
from bwvisu.planning.plan import missing, plan, remember
from bwvisu.planning.snapshot import JobView, Memory, Policy, Snapshot
from bwvisu.planning.verbs import Verb

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MONOTONIC = 1000.0
CLUSTER_NOW = int(NOW.timestamp())
ID, OTHER_ID = "01jd0000000000000000000000", "01jd0000000000000000000001"
POLICY = Policy(installation="abc123", min_job_age=300.0)
ALICE = ClusterUser(name="alice", exists=True, home="/home/alice", uid=2000, checked_at=NOW)
WEB = Service(
    name="web",
    protocol="http",
    gateway="gw1",
    external_host="gw1.example.org",
    external_port=50001,
    internal_host="node1",
    internal_port=50001,
    reachable=True,
)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def name_of(attempt: int = 1, job_id: str = ID, installation: str = "abc123") -> str:
    return f"bwv-{installation}-{job_id}-{attempt}"


def spec(*, stopped: bool = False, services: int = 0, job_id: str = ID) -> JobSpec:
    return JobSpec(
        id=job_id,
        user="alice",
        application="page",
        cluster="main",
        parameters={},
        bundle="digest",
        services=tuple(ServiceName(name=f"s{index}", protocol="http") for index in range(services)),
        wanted=Wanted.STOPPED if stopped else Wanted.RUNNING,
        created_at=ago(60),
    )


def submitting(*, attempt: int = 1, since: float = 1.0) -> JobStatus:
    return JobStatus(phase=Phase.SUBMITTING, attempt=attempt, intent_at=ago(since))


def known(phase: Phase, *, slurm_job_id: int = 7, attempt: int = 1, **slurm: Any) -> JobStatus:
    """A job that Slurm has, as its latest row left it."""
    seen = SlurmView(
        **{
            "job_id": slurm_job_id,
            "state": "PENDING" if phase is Phase.QUEUED else "RUNNING",
            "nodes": () if phase is Phase.QUEUED else ("node1",),
            "partition": "cpu",
            "submitted_at": ago(50),
            **slurm,
        }
    )
    return JobStatus(phase=phase, attempt=attempt, intent_at=ago(51), slurm=seen)


def row(state: SlurmState = SlurmState.RUNNING, **fields: Any) -> SlurmJob:
    """A row of alice's job's first attempt, submitted 50 s ago."""
    active = state.name in {"RUNNING", "COMPLETING"}
    whole = SlurmJob(
        job_id=7,
        name=name_of(),
        user="alice",
        state=state,
        reason="None",
        nodes=("node1",) if active else (),
        partition="cpu",
        submitted_at=CLUSTER_NOW - 50,
        started_at=None,
        expected_start_at=None,
        ends_at=None,
        time_limit=3600,
        restarts=0,
        exit_status=ExitStatus(0, 0) if state.is_terminal else None,
    )
    return replace(whole, **fields)


def look(*rows: SlurmJob, began: float = MONOTONIC - 1) -> Look:
    return Look({each.job_id: each for each in rows}, began, began + 0.1, CLUSTER_NOW)


def snapshot(*views: JobView, **fields: Any) -> Snapshot:
    """A quiet cluster: a fresh empty look, alice known, nothing at work."""
    whole = Snapshot(
        policy=POLICY,
        jobs={view.spec.id: view for view in views},
        look=look(),
        users={"alice": ALICE},
        busy=frozenset(),
        memory=Memory(),
        now=NOW,
        monotonic=MONOTONIC,
    )
    return replace(whole, **fields)


def verbs(*views: JobView, **fields: Any) -> tuple[Verb, ...]:
    return plan(snapshot(*views, **fields)).verbs


def verb(view: JobView, **fields: Any) -> Verb | None:
    """The one thing that is to be done for a job."""
    planned = verbs(view, **fields)
    assert len(planned) < 2
    return planned[0] if planned else None


def after_looks(view: JobView, looks: Iterable[Look], *, met_at: float, **fields: Any) -> Snapshot:
    """What a leader knows who met the job at ``met_at`` and then took these looks."""
    now = snapshot(view, **fields, monotonic=met_at)
    memory = replace(now.memory, met=remember(now))
    for each in looks:
        now = replace(now, look=each, monotonic=each.ended_at, memory=memory)
        memory = replace(memory, absences=weigh(memory.absences, each, missing(now)))
    wall = NOW + timedelta(seconds=now.monotonic - met_at)
    return replace(now, memory=memory, now=wall)
