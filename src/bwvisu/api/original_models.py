"""The documents of the original's API, and what they show of a job: pure."""

from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from bwvisu.api.models import Document
from bwvisu.domain.job import JobSpec, JobStatus, Service, SlurmView
from bwvisu.domain.lifecycle import State
from bwvisu.domain.original import as_text
from bwvisu.services.state import Job
from bwvisu.settings import ClusterSettings

OriginalState = Literal["submitted", "running", "available", "completing", "finished"]


class OriginalDocument(Document):
    """A document whose members are written with hyphens."""

    model_config = ConfigDict(
        alias_generator=lambda name: name.replace("_", "-"), serialize_by_alias=True, validate_by_name=True
    )


class OriginalNewJob(OriginalDocument):
    """A job to start.  Members that are not declared are passed over, as they always were."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "uid": "alice",
                    "template-name": "template_terminal.txt",
                    "variables": {"expected_runtime_in_minutes": "60"},
                }
            ]
        }
    )

    uid: Annotated[str, Field(min_length=1, max_length=256)]
    """Whose job it will be: an account of the cluster."""
    template_name: Annotated[str, Field(min_length=1, max_length=256)]
    """As an application's `original.template-name` says."""
    variables: dict[str, str]
    """As its `original.variables` says; values hold letters, digits, `.`, `/`, `-`, `_`."""


class StartedJob(OriginalDocument):
    """A job that was accepted."""

    job_id: str


class RunningJobs(OriginalDocument):
    """All jobs that are not over."""

    jobs: tuple[str, ...]


class Answer(OriginalDocument):
    """Done."""

    response: str


class BatchScript(OriginalDocument):
    """What was submitted; of a job that did not come by this API: its application and its parameters."""

    template_name: str
    variables: Mapping[str, str]


class OriginalService(OriginalDocument):
    """One port of a job and the way to it."""

    internal_port: int
    external_port: int
    external_ip: str


class OriginalJob(OriginalDocument):
    """A job."""

    job_id: str
    batch_script: BatchScript
    uid: str
    state: OriginalState
    services: tuple[OriginalService, ...]
    """Empty until the job is `available` for the first time, then the last that is known."""
    details: Mapping[str, str]
    """What Slurm says of the job, under the names of `scontrol show job`; times are RFC 3339, UTC."""


def original_view(job: Job, cluster: ClusterSettings | None) -> OriginalJob:
    """A job as the original shows it; ``cluster``: its settings, None where they do not name it any more."""
    spec, status = job.spec, job.status
    was_available = any(moment.state is State.AVAILABLE for moment in status.timeline)
    addresses = {each.name: str(each.external_ip) for each in cluster.gateways} if cluster else {}
    return OriginalJob(
        job_id=spec.id,
        batch_script=_batch_script(spec),
        uid=spec.user,
        state=_STATES[status.state],
        services=tuple(_service(each, addresses) for each in status.services) if was_available else (),
        details=_details(spec, status, status.slurm) if status.slurm else {},
    )


_STATES: Mapping[State, OriginalState] = {
    State.ACCEPTED: "submitted",
    State.SUBMITTED: "submitted",
    State.RUNNING: "running",
    State.AVAILABLE: "available",
    State.COMPLETING: "completing",
    State.FINISHED: "finished",
}


def _batch_script(spec: JobSpec) -> BatchScript:
    if spec.original is not None:
        return BatchScript(template_name=spec.original.template_name, variables=spec.original.variables)
    variables = {name: as_text(value) for name, value in spec.parameters.items()}
    return BatchScript(template_name=spec.application, variables=variables)


def _service(service: Service, addresses: Mapping[str, str]) -> OriginalService:
    """Clients expect an address: a name that users are shown instead gives way to the gateway's own."""
    shown = service.external_host
    return OriginalService(
        internal_port=service.internal_port,
        external_port=service.external_port,
        external_ip=shown if _is_address(shown) else addresses.get(service.gateway, shown),
    )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _details(spec: JobSpec, status: JobStatus, slurm: SlurmView) -> Mapping[str, str]:
    """What is not known is left out."""
    said = {
        "JobId": str(slurm.job_id),
        "UserId": spec.user,
        "JobState": slurm.state,
        "Reason": slurm.reason or "None",
        "Restarts": str(slurm.restarts),
        "ExitCode": f"{status.exit_code}:0" if status.exit_code is not None else None,  # never of a signal
        "TimeLimit": _limit(slurm.time_limit) if slurm.time_limit is not None else None,
        "Partition": slurm.partition,
        "NodeList": ",".join(slurm.nodes) or None,
        "NumNodes": str(len(slurm.nodes)) if slurm.nodes else None,
        "SubmitTime": _time(slurm.submitted_at),
        "StartTime": _time(slurm.started_at or slurm.expected_start_at),
        "EndTime": _time(slurm.ends_at),
    }
    return {name: value for name, value in said.items() if value is not None}


def _limit(seconds: int) -> str:
    """``[days-]hours:minutes:seconds``."""
    minutes, rest = divmod(seconds, 60)
    days, minutes = divmod(minutes, 24 * 60)
    return f"{f'{days}-' if days else ''}{minutes // 60:02}:{minutes % 60:02}:{rest:02}"


def _time(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
