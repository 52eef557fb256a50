"""The batch script of a job as people may see it: what was, or will be, submitted, without its secrets.

The job's own secret is not even read.  The script is rendered with another one, which follows from the job's id, so
that no parameter can be equal to what is derived from it; then all that is derived from it becomes blank.
"""

import asyncio
import hashlib
from pathlib import Path

from bwvisu.adapters.job_script import KeyholeAddress, job_script
from bwvisu.domain.access import access_password, view_password
from bwvisu.domain.job import JobId
from bwvisu.domain.principal import Principal
from bwvisu.errors import OperatorError
from bwvisu.services.bundles import bundle_of
from bwvisu.services.context import Context, visible
from keyhole.auth import attempt_key

BLANK = "X"
"""Stands for each character of a secret; no secret of ours holds it."""


async def blanked_script(context: Context, principal: Principal, job_id: JobId) -> str:
    """The script of the job's present attempt, or of its first one.  Raises NotFound, OperatorError."""
    job = await visible(context, principal, job_id)
    spec, attempt = job.spec, max(1, job.status.attempt)
    bundle = await bundle_of(context, spec)
    stand_in = hashlib.sha256(f"stands in for the secret of {spec.id}".encode()).digest()
    text = job_script(bundle.source, spec, attempt, stand_in, await _keyhole(context, spec.cluster))
    for derived in (access_password(stand_in), view_password(stand_in), attempt_key(stand_in, attempt)):
        text = text.replace(derived, BLANK * len(derived))
    return text


async def _keyhole(context: Context, cluster: str) -> KeyholeAddress:
    settings, ca_file = context.clusters.get(cluster), context.keyhole.ca_file
    if settings is None:
        raise OperatorError(f"the settings do not name the cluster {cluster} any more")
    ca_pem = await asyncio.to_thread(_read, ca_file) if ca_file is not None else None
    return KeyholeAddress(settings.keyhole_urls or context.keyhole.public_urls, ca_pem)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}") from error
