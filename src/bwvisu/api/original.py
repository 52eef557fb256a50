"""The original bwVisu's API, field by field: existing frontends go on unchanged.

An error is the original's ``{"detail": "..."}`` and a problem document at once: all members of a problem, as
``application/json``, so that a client that looks at the media type still finds the detail where it has always been.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from bwvisu.api.basic import OriginalClient
from bwvisu.api.original_models import Answer, OriginalJob, OriginalNewJob, RunningJobs, StartedJob, original_view
from bwvisu.api.problems import MEDIA_TYPE, problem_of
from bwvisu.api.routing import BODY, GUARDS, Services, answer, declared
from bwvisu.api.trail import OpenTrail
from bwvisu.services import accounts, original

_USER = ("unknown-application", "unknown-cluster", "unknown-user", "user-not-allowed", "forbidden", "limit-reached")
_MEDIA_TYPE = "application/json"
_BEFORE_A_ROUTE = {408, 413, 414, 429, 431}
"""Statuses of calls that are refused before anybody knows which they are."""


class _OriginalRoute(APIRoute):
    """Errors leave as JSON; those of `_BEFORE_A_ROUTE`, and 405, stay problem documents."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, its errors answered here."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:  # noqa: BLE001 every kind has its answer there
                response = problem_of(request, error)
                response.headers["content-type"] = _MEDIA_TYPE
                return response

        return handled


router = APIRouter(tags=["original"], route_class=_OriginalRoute)


def _errors(*slugs: str) -> dict[int | str, dict[str, Any]]:
    """See `routing.errors`; in the original's media type, and without 403: all who may speak may do all of it."""
    found = declared(*slugs, *GUARDS, "not-authenticated", "internal", "unavailable", "out-of-order")
    return {
        status: response
        if status in _BEFORE_A_ROUTE
        else {**response, "content": {_MEDIA_TYPE: response["content"][MEDIA_TYPE]}}
        for status, response in found.items()
    }


@router.post(
    "/jobs",
    operation_id="originalCreateJob",
    summary="Start a job by a template's name",
    response_model=StartedJob,
    responses=_errors(*BODY, "unknown-application", "unknown-cluster", "unknown-user", "user-not-allowed", "forbidden"),
)
async def create_job(context: Services, client: OriginalClient, trail: OpenTrail, new: OriginalNewJob) -> Response:
    """Accept a job on the first cluster that the application runs on.  Sent again, it is another job."""
    trail.user = new.uid
    job = await original.start(context, client, new.uid, new.template_name, new.variables)
    trail.job = job.spec.id
    return answer(StartedJob(job_id=job.spec.id))


@router.get(
    "/jobs",
    operation_id="originalListJobs",
    summary="Ids of running jobs",
    response_model=RunningJobs,
    responses=_errors(),
)
async def list_jobs(context: Services, client: OriginalClient) -> Response:
    """All jobs that are not `finished`, whoever began them."""
    return answer(RunningJobs(jobs=tuple(original.running(context, client))))


@router.get(
    "/jobs/{job_id}",
    operation_id="originalGetJob",
    summary="Show a job",
    response_model=OriginalJob,
    responses=_errors("job-not-found"),
)
async def get_job(context: Services, client: OriginalClient, job_id: str) -> Response:
    """A job, also a finished one until it is forgotten."""
    job = await original.show(context, client, job_id)
    return answer(original_view(job, context.clusters.get(job.spec.cluster)))


@router.delete(
    "/jobs/{job_id}",
    operation_id="originalCancelJob",
    summary="Stop a job",
    response_model=Answer,
    responses=_errors("job-not-found"),
)
async def cancel_job(context: Services, client: OriginalClient, job_id: str) -> Response:
    """Have a job stopped that is not over; may be repeated until it is."""
    await original.end(context, client, job_id)
    return answer(Answer(response="job cancelled"))


@router.get(
    "/cluster/check-user/{username}",
    operation_id="originalCheckUser",
    summary="Is there such a user?",
    response_model=Answer,
    responses=_errors("user-not-found"),
)
async def check_user(context: Services, client: OriginalClient, username: str) -> Response:  # noqa: ARG001
    """Of the first cluster: 200 where the account may run jobs, 404 where not, 503 while it has not answered."""
    await accounts.show(context, next(iter(context.clusters)), username)
    return answer(Answer(response="success"))
