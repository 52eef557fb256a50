"""Who else comes into a session, and from where, as pages need it: an API that cannot say it now breaks no page.

Nor does one that takes its time, as where etcd is away: nobody waits long for what a page can do without.
"""

import asyncio

from bwvisu.errors import BwvisuError
from bwvisu.portal.api import Api
from bwvisu.portal.documents import Job
from bwvisu.portal.sharing import Admission, Share, SharedJob

PATIENCE = 1.0
"""Seconds."""


async def shared_with(api: Api) -> tuple[SharedJob, ...] | None:
    """What others share with this person; None where that is not known."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await api.shared()
    except (BwvisuError, TimeoutError):
        return None


async def let_in(api: Api, job: Job) -> tuple[tuple[Share, ...], tuple[Admission, ...]] | None:
    """Whom a session is shared with, and which addresses come in; empty where it is over, None: it is not known."""
    if job.finished:
        return (), ()
    try:
        async with asyncio.timeout(PATIENCE):
            return await asyncio.gather(api.shares(job.id), api.admissions(job.id))
    except (BwvisuError, TimeoutError):
        return None
