"""``/api/v1/jobs/{id}/script``: the batch script, secrets blanked."""

import hashlib

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from starlette.responses import Response

from bwvisu.api.auth import JobReader
from bwvisu.api.routing import IfNoneMatch, Services, errors, unchanged
from bwvisu.services.script import blanked_script

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])


@router.get(
    "/{job_id}/script",
    operation_id="getJobScript",
    summary="Show a job's batch script",
    response_class=PlainTextResponse,
    responses={
        200: {"description": "The script, as it was or will be given to sbatch"},
        304: {"description": "Nothing has changed"},
        **errors("job-not-found"),
    },
)
async def get_script(
    context: Services, principal: JobReader, job_id: str, if_none_match: IfNoneMatch = None
) -> Response:
    """What Slurm runs for the job.  `XXXX…` stands where its password and the key of its keyhole client are."""
    text = await blanked_script(context, principal, job_id)
    etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    return unchanged(if_none_match, etag) or PlainTextResponse(text, headers={"ETag": etag})
