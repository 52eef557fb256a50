"""One history of all jobs for everybody who follows it: fed by one watch, kept once, told to those concerned.

What a slow reader costs is bounded: it shares what it has not read yet with everybody else, and begins anew with a
snapshot when that has become too much.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from bwvisu.adapters.etcd import Change, Changes
from bwvisu.domain.job import JobId, JobSpec
from bwvisu.errors import TryAgain
from bwvisu.services.audience import Audience
from bwvisu.services.events import Event, Interest, Lapse, Moment, Position, Snapshot
from bwvisu.services.mailbox import Mailbox
from bwvisu.services.ring import Documents, Ring
from bwvisu.services.state import Job, State

CHUNK = 200
"""Jobs in one part of a snapshot."""
PATIENCE = 2.0
"""Seconds that we give ourselves to see what another replica has seen already."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of memory and time."""

    streams: int = 5000
    """How many at once."""
    lifetime: float = 3600.0
    """Seconds after which a stream is ended, to be resumed."""
    heartbeat: float = 10.0
    """Seconds of silence before a sign of life."""
    pace: float = 0.05
    """Seconds that a reader rests who has been told everything.  What happens meanwhile is told together, since a send
    costs as much as many events."""
    moments: int = 10_000
    """Transactions that are kept for those who come back."""
    moment_bytes: int = 64 * 2**20
    depth: int = 2048
    """Events that a reader may be behind.  Readers share them with the history: each costs hardly a pointer."""


class Feed:
    """The history of the jobs in ``state``, from which streams are told; ``render`` makes a job's document."""

    def __init__(self, state: State, render: Callable[[Job], bytes], limits: Limits = Limits()) -> None:
        self.limits = limits
        self.lapses: Counter[Lapse] = Counter()
        """How often streams had to begin anew."""
        self._state = state
        self._render = render
        self._documents = Documents()
        self._audience = Audience()
        self._closed = False
        self._ring = Ring(limits.moments, limits.moment_bytes)
        self._ring.reset(state.jobs.revision)
        self._generation = state.generation if state.installation.ready.is_set() else None
        state.jobs.on_change(self._jobs_changed)
        state.installation.on_change(lambda _: self._installation_changed())

    def __len__(self) -> int:
        """How many streams there are."""
        return len(self._audience)

    @property
    def generation(self) -> int:
        """That of every revision."""
        return self._generation or 1

    @property
    def revision(self) -> int:
        """Everything up to here has been told."""
        return self._ring.revision

    def enter(self, interest: Interest) -> Mailbox:
        """Be told from now on, until `leave`.  Raises TryAgain."""
        if self._closed:
            raise TryAgain("the service is stopping", after=1)
        if len(self._audience) >= self.limits.streams:
            raise TryAgain("too many event streams are open", after=10)
        mailbox = Mailbox(interest, self.limits.depth)
        self._audience.add(mailbox)
        return mailbox

    def leave(self, mailbox: Mailbox) -> None:
        """Be told nothing more."""
        self._audience.remove(mailbox)

    def close(self) -> None:
        """End every stream, and begin no more: the service stops."""
        self._closed = True
        for mailbox in self._audience:
            mailbox.end()

    # ---- what a stream begins with ----------------------------------------------------------------------------

    async def caught_up(self, since: str) -> None:
        """Wait a moment until we have seen what a reader was told elsewhere.

        Raises TryAgain where that takes longer: what we could tell it by now is older than what it has.
        """
        position = Position.parse(since)
        if position is None or await self._state.until(lambda: self._present >= position, PATIENCE):
            return
        if position <= Position(*await self._state.newest_in_etcd()):
            raise TryAgain("this replica has not yet seen all up to this id; come back with the same one", after=1)

    @property
    def _present(self) -> Position:
        return Position(self.generation, self._state.jobs.revision)

    def resume(self, since: str) -> Lapse | int:
        """The revision to go on from; or why that cannot be.  See `caught_up`."""
        position = Position.parse(since)
        if position is None:
            return Lapse.UNKNOWN_ID
        if position.generation != self.generation:
            return Lapse.OTHER_GENERATION
        if position.revision > self._state.jobs.revision:
            return Lapse.UNKNOWN_ID
        return position.revision if position.revision >= self._ring.floor else Lapse.HISTORY_GONE

    def since(self, revision: int, interest: Interest) -> list[Event]:
        """What happened after a revision that `resume` has named."""
        return self._ring.since(revision, interest)

    def snapshot(self, interest: Interest) -> Iterator[Snapshot]:
        """All jobs of interest as they are now, in parts; they are rendered only when they are asked for."""
        jobs = [job for job in map(self._state.job, self._ids(interest)) if job and interest.covers(job.spec)]
        return self._parts(jobs, self.revision)

    def _ids(self, interest: Interest) -> Iterator[JobId]:
        if interest.job_id is not None:
            return iter([interest.job_id])
        return self._state.index.candidates(user=interest.user, live=False).before(None)

    def _parts(self, jobs: Sequence[Job], revision: int) -> Iterator[Snapshot]:
        for begin in range(0, max(len(jobs), 1), CHUNK):
            documents = tuple(self.document(job) for job in jobs[begin : begin + CHUNK])
            yield Snapshot(documents, revision if begin + CHUNK >= len(jobs) else None)

    def document(self, job: Job) -> bytes:
        """A job as the mirrors have it, rendered once for all who ask: streams and lists."""
        return self._documents.of(job.spec.id, job.revision, lambda: self._render(job))

    # ---- what it goes on with ---------------------------------------------------------------------------------

    def _jobs_changed(self, changes: Changes[BaseModel | None]) -> None:
        if changes.listed:
            self._begin_anew(Lapse.HISTORY_GONE)
            return
        moment = Moment(changes.revision, tuple(self._events(changes)))
        if moment.events:
            self._ring.append(moment)
            for mailbox in self._audience.of(moment.events):
                mailbox.take(moment)

    def _events(self, changes: Changes[BaseModel | None]) -> Iterator[Event]:
        """One for each job that a transaction has changed, however many of its records."""
        keys = self._state.keys
        touched: dict[JobId, JobSpec | None] = {}
        for change in changes.changes:
            if keys.kind_of(change.key) in {"specs", "status"}:
                job_id = keys.tail(change.key)
                touched[job_id] = _former(change) or touched.get(job_id)
        for job_id, former in touched.items():
            if (job := self._state.job(job_id)) is not None:
                yield _event(changes.revision, job.spec, self.document(job))
            elif former is not None:
                self._documents.forget(job_id)
                yield _event(changes.revision, former, None)

    def _installation_changed(self) -> None:
        before, self._generation = self._generation, self._state.generation
        if before not in {None, self._generation}:
            self._begin_anew(Lapse.OTHER_GENERATION)

    def _begin_anew(self, lapse: Lapse) -> None:
        self._documents = Documents()  # a restored store gives the same revisions again
        self._ring.reset(self._state.jobs.revision)
        for mailbox in self._audience:
            mailbox.break_off(lapse)


def _former(change: Change[BaseModel | None]) -> JobSpec | None:
    return change.previous if isinstance(change.previous, JobSpec) else None


def _event(revision: int, spec: JobSpec, document: bytes | None) -> Event:
    return Event(revision, spec.id, spec.user, spec.cluster, document)
