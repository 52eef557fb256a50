"""A leader for whom every job is available at once, has something to say, and ends as soon as it is stopped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from bwvisu.adapters.records import decode
from bwvisu.domain.job import JobSpec, Reason, Wanted
from bwvisu.domain.lifecycle import Outcome
from tests.contract.api.service import Service
from tests.contract.api.test_jobs import AVAILABLE, FINISHED
from tests.contract.api.test_log import reports

CANCELLED = FINISHED.model_copy(
    update={
        "outcome": Outcome.CANCELLED,
        "reason": Reason(code="cancelled-by-user", message="It was stopped on request."),
        "exit_code": None,
    }
)


@asynccontextmanager
async def quick_leader(api: Service) -> AsyncIterator[Service]:
    """Plays as long as the context is open."""
    playing = asyncio.create_task(_play(api))
    try:
        yield api
    finally:
        playing.cancel()
        await asyncio.wait([playing])


async def _play(api: Service) -> None:
    keys, store = api.context.state.keys, api.context.state.store
    prefix = keys.kind("specs")
    begin = (await store.list(prefix)).revision
    async with aclosing(store.watch(prefix, begin + 1)) as batches:
        async for batch in batches:
            for event in batch.events:
                if event.entry is not None:
                    await _see(api, keys.tail(event.key), decode(JobSpec, event.entry.value).wanted)


async def _see(api: Service, job_id: str, wanted: Wanted) -> None:
    if wanted is Wanted.STOPPED:
        await api.leader.sees(job_id, CANCELLED)
    else:
        await reports(api, job_id, 1, "Jupyter Server is running\n")
        await api.leader.sees(job_id, AVAILABLE)
