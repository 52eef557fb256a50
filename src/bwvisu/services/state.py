"""What the services know: mirrors of what is wanted and seen, and the way to etcd for what must be exact."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel

from bwvisu.adapters.etcd import Changes, Entry, Mirror, Span, Store
from bwvisu.adapters.records import Keys, decode
from bwvisu.domain.cluster import ClusterUser, ClusterView, Installation
from bwvisu.domain.job import JobId, JobSpec, JobStatus, Reason
from bwvisu.domain.lifecycle import State as JobState
from bwvisu.domain.naming import ULID
from bwvisu.services.index import JobIndex
from bwvisu.services.pulse import Pulse
from bwvisu.services.records import Kind

R = TypeVar("R", bound=BaseModel)

UNREADABLE = JobStatus(
    reason=Reason(code="unreadable-record", message="What was seen of this job cannot be read by this version.")
)
HISTORY = 10_000
"""Revisions of etcd that a process looks back when it starts."""
GRACE = 5.0
"""Seconds after which a watch that owes something is taken for broken.  A process that serves a thousand streams may be
late in reading, and to take that for a loss has each of them begin anew."""
_SPAN: Mapping[str, type[BaseModel]] = {"specs": JobSpec, "status": JobStatus, "users": ClusterUser}


@dataclass(frozen=True, slots=True)
class Job:
    """What is wanted and what was seen; ``revision`` grows with each change of either."""

    spec: JobSpec
    status: JobStatus
    revision: int


class State:
    """Mirrors of the records that requests are answered from.  ``run`` must be running.

    Specs, status and users lie side by side in etcd, so that one watch tells of all of them in the order in which they
    happened.  It begins ``history`` revisions ago, so that the event streams of a process that has just started can
    resume what another one began.
    """

    def __init__(
        self, store: Store, keys: Keys, clock: Callable[[], float] = time.monotonic, history: int = HISTORY
    ) -> None:
        self.store = store
        self.keys = keys
        self.index = JobIndex()
        self.newest = 0
        """The greatest revision at which a job was accepted, as far as we know: every replica comes to see it."""
        self._pulse = Pulse()
        span = Span(keys.kind("specs"), keys.kind("users"))
        self.jobs: Mirror[BaseModel | None] = Mirror(
            store, span, self._read_by_kind, history=history, grace=GRACE, clock=clock
        )
        self.specs = Kind(self.jobs, JobSpec)
        self.status = Kind(self.jobs, JobStatus)
        self.users = Kind(self.jobs, ClusterUser)
        self.clusters = Mirror(store, keys.kind("clusters"), _reader(ClusterView), clock=clock)
        self.installation = Mirror(store, keys.installation, _reader(Installation), clock=clock)
        self._kinds: Mapping[str, Kind[Any]] = {"specs": self.specs, "status": self.status, "users": self.users}
        self.jobs.on_change(self._jobs_changed)
        for mirror in self.mirrors.values():
            mirror.on_change(lambda _: self._pulse.beat())

    @property
    def mirrors(self) -> Mapping[str, Mirror[Any]]:
        """All of them."""
        return {"jobs": self.jobs, "clusters": self.clusters, "installation": self.installation}

    @property
    def unreadable(self) -> Mapping[str, int]:
        """How many records cannot be read, by kind."""
        return {kind: each.unreadable for kind, each in self._kinds.items()} | {
            "clusters": len(self.clusters.unreadable)
        }

    @property
    def generation(self) -> int:
        """How often the store was restored, from 1; part of what event streams are resumed by."""
        drawn = self.installation.values.get(self.keys.installation)
        return drawn.generation if drawn is not None else 1

    async def newest_in_etcd(self) -> tuple[int, int]:
        """Its generation and revision, asked of etcd itself: how far a mirror could be."""
        listing = await self.store.list(self.keys.installation)
        drawn = listing.entries.get(self.keys.installation)
        return decode(Installation, drawn.value).generation if drawn else 1, listing.revision

    async def run(self) -> NoReturn:
        """Keep the mirrors for ever, through every failure of etcd."""
        async with asyncio.TaskGroup() as group:
            for mirror in self.mirrors.values():
                group.create_task(mirror.run())
        raise AssertionError("mirrors never end")

    @property
    def ready(self) -> bool:
        """Whether every mirror has been filled."""
        return all(mirror.ready.is_set() for mirror in self.mirrors.values())

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until the mirrors make ``condition`` true, up to ``seconds``; returns whether it holds."""
        return await self._pulse.until(condition, seconds)

    async def seen(self, revision: int) -> None:
        """Wait, within reason, until our own write to ``specs/`` is in the mirror, so that its writer can list it."""
        await self.until(lambda: self.specs.revision >= revision, 1.0)

    def job(self, job_id: JobId) -> Job | None:
        """The job as the mirrors have it."""
        entry, spec = self.specs.entries.get(self.keys.spec(job_id)), self.specs.values.get(self.keys.spec(job_id))
        if entry is None or spec is None:
            return None
        return self.beside_status(spec, entry.mod_revision)

    def beside_status(self, spec: JobSpec, revision: int) -> Job:
        """A spec, wherever it was read, with what the mirror has of its status."""
        key = self.keys.status(spec.id)
        entry = self.status.entries.get(key)
        if entry is None:
            return Job(spec, JobStatus(), revision)
        return Job(spec, self.status.values.get(key, UNREADABLE), max(revision, entry.mod_revision))

    async def find(self, job_id: JobId) -> Job | None:
        """Like `job`, but asks etcd before it says no: another replica may have accepted it a moment ago."""
        if not ULID.fullmatch(job_id):
            return None
        return self.job(job_id) or await self._read(job_id)

    async def _read(self, job_id: JobId) -> Job | None:
        entry = await self.store.get(self.keys.spec(job_id))
        return self.beside_status(decode(JobSpec, entry.value), entry.mod_revision) if entry else None

    def _read_by_kind(self, entry: Entry) -> BaseModel | None:
        record = _SPAN.get(self.keys.kind_of(entry.key))
        return decode(record, entry.value) if record is not None else None

    def _jobs_changed(self, changes: Changes[BaseModel | None]) -> None:
        for change in changes.changes:
            if kind := self._kinds.get(self.keys.kind_of(change.key)):
                kind.take(change)
                if kind is self.specs and change.entry is not None:
                    self.newest = max(self.newest, change.entry.create_revision)
        for change in changes.changes:
            match self.keys.kind_of(change.key), change.value or change.previous:
                case "specs", JobSpec() as spec:
                    self._note(spec, present=change.value is not None)
                case "status", _:
                    self._status_changed(self.keys.tail(change.key))

    def _status_changed(self, job_id: JobId) -> None:
        spec = self.specs.values.get(self.keys.spec(job_id))
        if spec is not None:
            self._note(spec, present=True)

    def _note(self, spec: JobSpec, *, present: bool) -> None:
        status = self.status.values.get(self.keys.status(spec.id))
        live = status is None or status.state is not JobState.FINISHED
        self.index.keep(spec.id, spec.user, present=present, live=live)


def _reader(record: type[R]) -> Callable[[Entry], R]:
    return lambda entry: decode(record, entry.value)
