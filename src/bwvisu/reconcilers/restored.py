"""After a restore of the store from a backup: what must be said once, before any role starts again.

Revisions run backwards then, so the generation is raised: gateways compare it before the leader's epoch, event streams
before a revision.  And whoever was not submitted by the state of the backup may have been since.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bwvisu.adapters.etcd import Absent, Committed, Condition, Entry, Put, Store, Unchanged
from bwvisu.adapters.records import Keys, decode, encode
from bwvisu.domain.cluster import Installation
from bwvisu.domain.job import JobId, JobSpec, JobStatus
from bwvisu.errors import OperatorError, TryAgain
from bwvisu.planning.restoration import doubted
from bwvisu.reconcilers.leadership import Leadership


@dataclass(slots=True)
class Restored:
    """What was found and done."""

    before: int
    """The generation of the backup."""
    generation: int
    """From now on: Unix time, so that one which was used is never used again, however often one backup is restored."""
    jobs: int = 0
    """Jobs of the backup that had not ended."""
    in_doubt: list[JobId] = field(default_factory=list)
    """Those of which it does not say whether Slurm has them: looked for by name, never submitted (again)."""
    unreadable: list[str] = field(default_factory=list)
    """Keys of records that cannot be read: their jobs are left alone."""


async def restored(store: Store, keys: Keys, leadership: Leadership, now: datetime) -> Restored:
    """Put jobs in doubt, then raise the generation, all under the leader's epoch; done twice it does no harm.

    Raises TryAgain, OperatorError, and as `Leadership.commit` does.
    """
    entry = await store.get(keys.installation)
    if entry is None:
        raise OperatorError(f"there is no {keys.installation}: this is not the store of an installation")
    drawn = decode(Installation, entry.value)
    done = Restored(drawn.generation, max(drawn.generation + 1, int(now.timestamp())))
    specs = (await store.list(keys.kind("specs"))).entries.values()
    statuses = (await store.list(keys.kind("status"))).entries
    for spec in specs:
        await _doubt(spec, statuses.get(keys.status(keys.job_of(spec.key))), keys, leadership, now, done)
    raised = drawn.model_copy(update={"generation": done.generation})
    await _put(leadership, [Unchanged(entry.key, entry.mod_revision)], Put(entry.key, encode(raised)))
    return done


async def _doubt(
    spec: Entry, known: Entry | None, keys: Keys, leadership: Leadership, now: datetime, done: Restored
) -> None:
    try:
        job_id = decode(JobSpec, spec.value).id
        status = decode(JobStatus, known.value) if known is not None else JobStatus()
    except ValueError:
        done.unreadable.append(spec.key)
        return
    done.jobs += status.finished_at is None
    if (after := doubted(status, now)) is None:
        return
    key = keys.status(job_id)
    condition = Absent(key) if known is None else Unchanged(key, known.mod_revision)
    await _put(leadership, [condition], Put(key, encode(after)))
    done.in_doubt.append(job_id)


async def _put(leadership: Leadership, conditions: Sequence[Condition], put: Put) -> None:
    if not isinstance(await leadership.commit(conditions, [put]), Committed):
        raise TryAgain(f"somebody writes {put.key}: stop all roles, then do this again")
