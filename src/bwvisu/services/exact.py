"""A job as etcd has it at this moment, for who writes only to a version of it that its asker knows."""

from dataclasses import dataclass

from bwvisu.adapters.etcd import Absent, Condition, Entry, Unchanged
from bwvisu.adapters.records import decode
from bwvisu.domain.job import JobId, JobSpec, JobStatus
from bwvisu.domain.naming import ULID
from bwvisu.domain.principal import Principal
from bwvisu.services.context import Context, no_such_job
from bwvisu.services.state import UNREADABLE, Job


@dataclass(frozen=True, slots=True)
class Exact:
    """The job; its two records need not be of one moment: who writes compares both."""

    job: Job
    spec: Entry
    status: Entry | None
    status_key: str

    def unchanged(self) -> list[Condition]:
        """It is still so."""
        status = Unchanged(self.status_key, self.status.mod_revision) if self.status else Absent(self.status_key)
        return [Unchanged(self.spec.key, self.spec.mod_revision), status]


async def read_exactly(context: Context, principal: Principal, job_id: JobId) -> Exact:
    """Read it from etcd; raises `NotFound` alike for one that does not exist and for somebody else's."""
    read = await read_of_anybody(context, job_id)
    if not principal.may_see(read.job.spec.user):
        raise no_such_job()
    return read


async def read_of_anybody(context: Context, job_id: JobId) -> Exact:
    """The same, whoever asks: for who judges by something else.  Raises NotFound."""
    state = context.state
    spec_entry = await state.store.get(state.keys.spec(job_id)) if ULID.fullmatch(job_id) else None
    spec = decode(JobSpec, spec_entry.value) if spec_entry else None
    if spec_entry is None or spec is None:
        raise no_such_job()
    key = state.keys.status(job_id)
    entry = await state.store.get(key)
    revision = max(spec_entry.mod_revision, entry.mod_revision if entry else 0)
    return Exact(Job(spec, _status(entry), revision), spec_entry, entry, key)


def _status(entry: Entry | None) -> JobStatus:
    try:
        return decode(JobStatus, entry.value) if entry else JobStatus()
    except ValueError:
        return UNREADABLE
