"""What a job said last: the lines that its own client reported."""

from bwvisu.adapters.records import decode
from bwvisu.domain.job import JobId
from bwvisu.domain.principal import Principal
from bwvisu.errors import Conflict
from bwvisu.services.context import Context, visible
from keyhole.domain import Report


async def log_tail(context: Context, principal: Principal, job_id: JobId) -> str:
    """The last lines that the latest run of a job has reported.  Reads etcd.  Raises Conflict (``no-log-yet``)."""
    await visible(context, principal, job_id)
    listing = await context.state.store.list(context.state.keys.reports(job_id))
    reports = (decode(Report, entry.value) for entry in listing.entries.values())
    told = [report for report in reports if report.log_tail is not None]
    latest = max(told, key=lambda report: (report.run, report.seq), default=None)
    if latest is None or latest.log_tail is None:
        raise Conflict("the job has not reported any lines of its log", slug="no-log-yet")
    return latest.log_tail
