"""What administrators look at: who asked for what lately, and who uses a cluster."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime
from starlette.responses import Response

from bwvisu.api.auth import Administrator
from bwvisu.api.models import Document
from bwvisu.api.routing import Services, answer, errors
from bwvisu.domain.audit import Action, AuditRecord, Result
from bwvisu.services.chronicle import Chronicle, Wanted
from bwvisu.services.usage import usage

router = APIRouter(prefix="/api/v1", tags=["administration"])


class AuditEntry(Document):
    """Something that was asked for, and what became of it; the fields are those of the audit trail's lines."""

    action: Action
    """The call that was tried."""
    result: Result
    by: str | None
    """Name of the token; null: nobody proved who they are."""
    behalf_of: str | None
    """The person whom the token's holder named by `X-On-Behalf-Of`."""
    requested_by: str | None
    """The person whom the token's holder named by `X-Requested-By`."""
    source: str | None
    """Address that the request came from."""
    job: str | None
    user: str | None
    """Whose job or preferences they are."""
    guest: str | None
    """The person who is let in by `createShare`."""
    entry: str | None = None
    """Id of the admission or share that is made, used or gone."""
    address: str | None = None
    """The address or network that is admitted, or no more."""
    cluster: str | None
    gateway: str | None
    reason: str | None
    """Slug of the problem that was answered."""
    request: str | None = None
    """Id of the request (`X-Request-Id`): all that the logs say of it has this id, too."""
    at: AwareDatetime


class AuditList(Document):
    """Entries, newest first."""

    items: tuple[AuditEntry, ...]


class UserUsage(Document):
    """One person's unfinished jobs on one cluster."""

    user: str
    in_slurm: int
    """Submitted: what `limits.running_per_user` counts."""
    waiting: int
    """Accepted, and not in Slurm yet."""


class UsageList(Document):
    """Who has unfinished jobs there, most jobs first."""

    items: tuple[UserUsage, ...]


@router.get(
    "/audit",
    operation_id="listAuditEntries",
    summary="Who asked for what lately",
    response_model=AuditList,
    responses=errors(),
)
async def list_audit_entries(
    request: Request,
    context: Services,  # noqa: ARG001 an API that has just started says so
    principal: Administrator,
    user: Annotated[str | None, Query(max_length=256)] = None,
    job: Annotated[str | None, Query(max_length=256, description="Id of a job.")] = None,
    action: Annotated[Action | None, Query(description="A call.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """Calls that may change something, newest first: the last thousand of each replica, for a day.  The log has all."""
    chronicle: Chronicle = request.app.state.chronicle
    found = await chronicle.recent(principal, Wanted(user, job, action), limit)
    return answer(AuditList(items=tuple(_entry(each) for each in found)), Cache_Control="no-store")


@router.get(
    "/clusters/{name}/usage",
    operation_id="getClusterUsage",
    summary="Who uses a cluster",
    response_model=UsageList,
    responses=errors("cluster-not-found"),
)
async def get_cluster_usage(context: Services, principal: Administrator, name: str) -> Response:
    """Everybody who has unfinished jobs there, with their numbers."""
    found = usage(context, principal, name)
    items = tuple(UserUsage(user=each.user, in_slurm=each.in_slurm, waiting=each.waiting) for each in found)
    return answer(UsageList(items=items))


def _entry(record: AuditRecord) -> AuditEntry:
    return AuditEntry(**{name: getattr(record, name) for name in AuditEntry.model_fields})
