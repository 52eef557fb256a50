"""``/api/v1/jobs``."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from bwvisu.api.auth import JobConnector, JobReader, JobWriter
from bwvisu.api.etags import etag, named
from bwvisu.api.models import AccessView, JobPage, JobView, NewJob, NewTime
from bwvisu.api.routing import BODY, IfNoneMatch, Services, answer, answer_page, errors, unchanged
from bwvisu.api.source import address_of
from bwvisu.api.trail import OpenTrail
from bwvisu.api.views import access_view, job_view
from bwvisu.domain.lifecycle import State
from bwvisu.domain.origin import plain_address
from bwvisu.errors import Fault, InvalidInput, UserError
from bwvisu.services.access import access
from bwvisu.services.cancel import cancel
from bwvisu.services.context import visible
from bwvisu.services.extend import extend, is_settled
from bwvisu.services.feed import Feed
from bwvisu.services.idle import keep
from bwvisu.services.listing import Filter, list_jobs
from bwvisu.services.request import JobRequest
from bwvisu.services.state import Job
from bwvisu.services.submit import submit

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])

_USER = ("unknown-application", "unknown-cluster", "unknown-user", "user-not-allowed")

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="Any text of yours, kept for 24 hours: the same request with the same key makes no second job.",
    ),
]
IfMatch = Annotated[
    str | None,
    Header(description="Needed: the `ETag` of the job as you know it (412 where it has changed), or `*` for any."),
]
OptionalIfMatch = Annotated[
    str | None,
    Header(description="The `ETag` of the job as you know it: 412 where it has changed."),
]


class PreconditionRequired(UserError):
    """The request does not say which version of the job it is about (RFC 6585, section 3)."""

    slug = "precondition-required"


@router.post(
    "",
    operation_id="createJob",
    summary="Start a job",
    status_code=201,
    response_model=JobView,
    responses={
        200: {"model": JobView, "description": "The job that this Idempotency-Key made before"},
        201: {
            "description": "The job is accepted",
            "headers": {"Location": {"description": "The job's own address", "schema": {"type": "string"}}},
        },
        **errors(*BODY, *_USER, "idempotency-key-reused", "forbidden", "job-not-found", "limit-reached"),
    },
)
async def create_job(
    request: Request,
    context: Services,
    principal: JobWriter,
    trail: OpenTrail,
    new: NewJob,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Accept a job.  It is stored when this is answered, and will be submitted to Slurm exactly once."""
    trail.user = new.user
    if len(request.headers.getlist("idempotency-key")) > 1:
        raise InvalidInput([Fault("/idempotency-key", "may be given once")])
    wanted = JobRequest(
        new.user,
        new.application,
        new.cluster,
        new.parameters,
        idle_stop_minutes=new.idle_stop_minutes,
        notify=tuple(dict.fromkeys(new.notify)),
    )
    accepted = await submit(context, wanted, principal, idempotency_key)
    trail.job = accepted.job.spec.id
    location = request.app.url_path_for("get_job", job_id=accepted.job.spec.id)
    return _job(accepted.job, 201 if accepted.created else 200, Location=str(location))


@router.get("", operation_id="listJobs", summary="List jobs", response_model=JobPage, responses=errors())
async def list_all(
    request: Request,
    context: Services,
    principal: JobReader,
    user: Annotated[str | None, Query(max_length=256)] = None,
    state: State | None = None,
    application: Annotated[str | None, Query(max_length=256)] = None,
    cluster: Annotated[str | None, Query(max_length=256)] = None,
    slurm_job: Annotated[int | None, Query(ge=1, le=2**32, description="Slurm's number of the job.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=256)] = None,
) -> Response:
    """Newest first; jobs that are accepted while you turn pages shift nothing."""
    wanted = Filter(user, state, application, cluster, slurm_job)
    page = await list_jobs(context, principal, wanted, limit=limit, cursor=cursor)
    feed: Feed = request.app.state.feed
    return answer_page([feed.document(job) for job in page.items], page.next_cursor)


@router.get(
    "/{job_id}",
    operation_id="getJob",
    summary="Show a job",
    response_model=JobView,
    responses={304: {"description": "Nothing has changed"}, **errors("job-not-found")},
)
async def get_job(context: Services, principal: JobReader, job_id: str, if_none_match: IfNoneMatch = None) -> Response:
    """What is wanted of a job and what was seen of it."""
    job = await visible(context, principal, job_id)
    return unchanged(if_none_match, etag(job.revision)) or _job(job)


@router.delete(
    "/{job_id}",
    operation_id="cancelJob",
    summary="Stop a job",
    status_code=202,
    response_model=JobView,
    responses=errors("job-not-found", "precondition-failed"),
)
async def cancel_job(
    context: Services, principal: JobWriter, job_id: str, if_match: OptionalIfMatch = None
) -> Response:
    """Have a job stopped, wherever it is on its way; may be repeated."""
    admits = partial(named, if_match) if if_match is not None else None
    return _job(await cancel(context, principal, job_id, admits), 202)


@router.patch(
    "/{job_id}",
    operation_id="extendJob",
    summary="Change a job's run time",
    response_model=JobView,
    responses={
        200: {"description": "It has this run time now"},
        202: {"model": JobView, "description": "Slurm has not answered yet; `extension` will tell"},
        **errors(*BODY, "job-not-found", "not-extendable", "precondition-failed", "precondition-required"),
    },
)
async def extend_job(
    context: Services, principal: JobWriter, job_id: str, new: NewTime, if_match: IfMatch = None
) -> Response:
    """More time, or less, for a job that waits or runs, where the site allows it; may be repeated."""
    if if_match is None:
        raise PreconditionRequired("send the job's ETag as If-Match, or * to mean the job as it is by then")
    job = await extend(context, principal, job_id, new.minutes, partial(named, if_match))
    return _job(job, 200 if is_settled(job) else 202)


@router.post(
    "/{job_id}/keep",
    operation_id="keepJob",
    summary="Keep a job that nobody uses",
    response_model=JobView,
    responses=errors("job-not-found", "not-keepable"),
)
async def keep_job(context: Services, principal: JobWriter, job_id: str) -> Response:
    """Begin the time anew after which a job is stopped because nobody uses it; may be repeated."""
    return _job(await keep(context, principal, job_id))


@router.get(
    "/{job_id}/access",
    operation_id="getJobAccess",
    summary="How to get in",
    response_model=AccessView,
    responses=errors("job-not-found", "job-not-available"),
)
async def get_access(
    request: Request,
    context: Services,
    principal: JobConnector,
    job_id: str,
    address: Annotated[
        str | None,
        Query(
            max_length=64,
            description="From where it will be entered; none: from where this request comes (of a frontend: unknown).",
        ),
    ] = None,
) -> Response:
    """Address and password of an available job, for its owner and those it is shared with by name."""
    own = None if principal.behalf is not None else address_of(request.scope)  # a frontend's is not its user's
    place = own if address is None else plain_address(address)
    if address is not None and place is None:
        raise InvalidInput([Fault("/address", "is not an IP address")])
    return answer(access_view(await access(context, principal, job_id, place)), Cache_Control="no-store")


def _job(job: Job, status: int = 200, **headers: str) -> Response:
    return answer(job_view(job), status, ETag=etag(job.revision), **headers)
