"""A leader for whom every job is available at once and has something to say.

A job gets the run time that is asked for, and ends as soon as it is stopped; a gateway is drained when that is wanted.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime

from bwvisu.adapters.etcd import Event, Put, Unchanged
from bwvisu.adapters.records import decode, encode
from bwvisu.domain.cluster import Drain
from bwvisu.domain.job import ExtensionState, ExtensionStatus, JobSpec, JobStatus, Reason, Wanted
from bwvisu.domain.lifecycle import Outcome
from bwvisu.domain.quota import Quota
from tests.contract.api.service import Service
from tests.contract.api.test_drain import shows
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
    """Plays as long as the context is open; raises what it died of."""
    begin = (await api.context.state.store.list(api.context.state.keys.root)).revision + 1
    playing = [asyncio.create_task(part(api, begin)) for part in (_runs_jobs, _drains_gateways)]
    await shows(api, drained=False)
    try:
        yield api
    finally:
        for task in playing:
            task.cancel()
        for died in await asyncio.gather(*playing, return_exceptions=True):
            if isinstance(died, Exception):
                raise died


async def _changes(api: Service, kind: str, begin: int) -> AsyncGenerator[Event]:
    """Every change of a kind of records, from a revision on."""
    async with aclosing(api.context.state.store.watch(api.context.state.keys.kind(kind), begin)) as batches:
        async for batch in batches:
            for change in batch.events:
                yield change


async def _runs_jobs(api: Service, begin: int) -> None:
    async with aclosing(_changes(api, "specs", begin)) as changes:
        async for change in changes:
            if change.entry is not None:
                await _see(api, decode(JobSpec, change.entry.value))


async def _drains_gateways(api: Service, begin: int) -> None:
    async with aclosing(_changes(api, "gateways", begin)) as changes:
        async for change in changes:
            order = decode(Drain, change.entry.value) if change.entry is not None else None
            await shows(api, drained=order is not None, vacated=order is not None and order.move)


async def _see(api: Service, spec: JobSpec) -> None:
    if spec.wanted is Wanted.STOPPED:
        await api.leader.sees(spec.id, CANCELLED)
        await _gives_its_place_back(api, spec)
    else:
        await reports(api, spec.id, 1, "Jupyter Server is running\n")
        await api.leader.sees(spec.id, _available(spec))


async def _gives_its_place_back(api: Service, spec: JobSpec) -> None:
    """Only where there are limits is there a book of who has how many jobs."""
    store, key = api.context.state.store, api.context.state.keys.quota(spec.cluster, spec.user)
    while (entry := await store.get(key)) and spec.id in (quota := decode(Quota, entry.value)).jobs:
        rest = {job_id: application for job_id, application in quota.jobs.items() if job_id != spec.id}
        await store.commit([Unchanged(key, entry.mod_revision)], [Put(key, encode(Quota(jobs=rest)))])


def _available(spec: JobSpec) -> JobStatus:
    """Started just now: a job that has run for longer than is asked for cannot be given that time."""
    assert AVAILABLE.slurm is not None
    slurm = AVAILABLE.slurm.model_copy(update={"started_at": datetime.now(UTC)})
    if (asked := spec.extension) is None:
        return AVAILABLE.model_copy(update={"slurm": slurm})
    done = ExtensionStatus(number=asked.number, state=ExtensionState.APPLIED)
    slurm = slurm.model_copy(update={"time_limit": asked.minutes * 60})
    return AVAILABLE.model_copy(update={"slurm": slurm, "extension": done})
