"""``/api/v1/jobs/{id}/log``: a job's own words, which are text and nothing else."""

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from bwvisu.api.auth import JobReader
from bwvisu.api.routing import Services, errors
from bwvisu.services.log import log_tail

router = APIRouter(prefix="/api/v1/jobs/{job_id}/log", tags=["jobs"])


@router.get(
    "",
    operation_id="getJobLog",
    summary="The last lines of a job's log",
    response_class=PlainTextResponse,
    responses={200: {"description": "As the job has reported them"}, **errors("job-not-found", "no-log-yet")},
)
async def get_log(context: Services, principal: JobReader, job_id: str) -> Response:
    """The end of what the job has written, as its latest run reported it; whatever it holds is not ours to judge."""
    text = await log_tail(context, principal, job_id)
    return PlainTextResponse(text, headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"})
