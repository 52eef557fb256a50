"""The role ``reconciler``: stand for election; while in office, one `ClusterTerm` per cluster."""

import asyncio
import contextlib

from pydantic import BaseModel

from bwvisu.adapters.etcd import Changes, Mirror
from bwvisu.reconcilers.leadership import Election, Leadership
from bwvisu.reconcilers.records import Records
from bwvisu.reconcilers.views import JOB_KINDS
from bwvisu.reconcilers.writer import Writer
from bwvisu.roles.base import Base
from bwvisu.roles.cluster import ClusterTerm
from bwvisu.roles.endpoint import served
from bwvisu.roles.installation import installation, take_over
from bwvisu.roles.metrics import LeaderMetrics


async def run_reconciler(base: Base) -> None:
    """Lead whenever elected, until cancelled."""
    await installation(base.store, base.keys)  # drawn before anybody stands
    ttl = int(base.settings.leader.ttl)
    metrics = LeaderMetrics(registry := base.registry(), base.monotonic)
    election = Election(base.store, base.keys.leader, base.candidate, ttl=ttl, now=base.wall)

    metrics.leads(lambda: election.leadership is not None and election.leadership.is_leader)

    async def lead(leadership: Leadership) -> None:
        metrics.terms.inc()
        await run_term(base, leadership, metrics)

    async with served(base, base.settings.leader.metrics, registry, base.keys.installation):
        await election.run(lead)


async def run_term(base: Base, leadership: Leadership, metrics: LeaderMetrics) -> None:
    """One term of office: read everything as it is now, then run every cluster's loops."""
    drawn = await take_over(base.store, base.keys, leadership)
    records = Records(base.keys)
    mirror: Mirror[BaseModel | None] = Mirror(base.store, base.keys.root, records.decode, clock=base.monotonic)
    mirror.on_change(lambda changes: feed(records, mirror, changes))
    writer = Writer(leadership, records)
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        metrics.mirrors.watch("leader", mirror)
        stack.callback(metrics.mirrors.forget, "leader")
        group.create_task(mirror.run())
        await mirror.ready.wait()
        for name in base.settings.clusters:
            term = await stack.enter_async_context(ClusterTerm.open(name, base, drawn, records, writer, metrics))
            group.create_task(term.run())


def feed(records: Records, mirror: Mirror[BaseModel | None], changes: Changes[BaseModel | None]) -> None:
    """Sort what the mirror saw onto the shelves; set jobs with unreadable records aside."""
    before = records.unreadable
    keys = records.keys
    records.unreadable = {keys.job_of(key) for key in mirror.unreadable if keys.kind_of(key) in JOB_KINDS}
    for change in changes.changes:
        if change.entry is None:
            records.change(change.key, changes.revision, None)
        elif change.value is not None:
            records.change(change.key, change.entry.mod_revision, change.value)
        else:  # unreadable, or of a kind that is none of ours
            records.set_aside(change.key, change.entry.value)
    for job_id in before ^ records.unreadable:
        records.tell("specs", job_id)
