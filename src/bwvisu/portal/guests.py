"""Who else comes into a session, and from where, as pages need it: an API that cannot say it now breaks no page."""

import asyncio

from bwvisu.errors import BwvisuError
from bwvisu.portal.api import Api
from bwvisu.portal.documents import Job
from bwvisu.portal.sharing import Admission, Share, SharedJob


async def shared_with(api: Api) -> tuple[SharedJob, ...]:
    """What others share with this person; empty where that is not known."""
    try:
        return await api.shared()
    except BwvisuError:
        return ()


async def let_in(api: Api, job: Job) -> tuple[tuple[Share, ...], tuple[Admission, ...]]:
    """Whom a session is shared with, and which addresses come in; empty where that is over or not known."""
    if job.finished:
        return (), ()
    try:
        return await asyncio.gather(api.shares(job.id), api.admissions(job.id))
    except BwvisuError:
        return (), ()
