"""Who has forwards: requests become grants, grants of ended jobs close, ports become free after their quarantine.

Where a gateway is left, its live grants move to others.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

import structlog

from keyhole.domain import LIVE, ForwardPolicy, Gateway, Grant, GrantPhase, JobForwards, PortRequest, Refusal, Tenancy
from keyhole.interfaces import Books, GatewayShell, Tenants, Versioned
from keyhole.parallel import in_parallel
from keyhole.reconciler.board import Blocklist, GatewayBoard
from keyhole.reconciler.serving import Case, Reserved, Serving
from keyhole.retirement import GrantKey, close_ended, drop_free, finished, key_of, taken
from keyhole.verification import LOOKLESS, Verified, Waiting, verify

_BLOCKED_SECONDS = 120.0
"""So long a port with a foreign listener, or one whose reservation is in doubt, is given to nobody."""

_log = structlog.get_logger(__name__)

Tenancies = Mapping[str, Tenancy]


@dataclass(frozen=True, slots=True)
class ForwardsPass:
    """What one pass of either loop did; counts of grants and records."""

    blind: bool = False
    """There was no complete look yet: nothing was decided."""
    reserved: int = 0
    replaced: int = 0
    moved: int = 0
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    """By job id: refusals that this pass has judged, the passing ones included."""
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    """By job id: requests that could not be judged or served yet, and moves that found no place; and why."""
    strangers: int = 0
    """Requests of jobs that are gone or unknown: ignored."""
    closed: int = 0
    freed: int = 0
    deleted: int = 0
    unwritten: int = 0
    """Records that somebody else changed meanwhile, or whose write is in doubt: the next pass looks again."""
    touched: frozenset[str] = frozenset()
    """Gateways that have something to do now."""


class ForwardsReconciler:
    """Keeps the forwards records of one cluster in step with its jobs, by loops that do not wait for each other.

    ``drained``: names of gateways that get no new forwards.  ``left``: names of those that lose what they carry as
    well.  ``connections``: by gateway, connections that are open through it now.  ``clock``: monotonic seconds.
    ``on_change``: told the name of each gateway whose rules must change.
    """

    def __init__(
        self,
        *,
        policy: ForwardPolicy,
        gateways: Mapping[str, Gateway],
        books: Books,
        tenants: Tenants,
        shell: GatewayShell,
        board: GatewayBoard,
        clock: Callable[[], float],
        drained: Callable[[], Collection[str]] = frozenset,
        left: Callable[[], Collection[str]] = frozenset,
        connections: Callable[[], Mapping[str, int]] = dict,
        on_change: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._policy = policy
        self._books = books
        self._tenants = tenants
        self._clock = clock
        self._gateways = gateways
        self._left = left
        self._told: frozenset[str] = frozenset()
        """Gateways whose leaving is in the log."""
        self._staying: Mapping[str, Waiting] = {}
        """By job id: moves that found no place, as the log has them."""
        self._on_change = on_change
        self._quarantined: dict[GrantKey, float] = {}
        self._serving = Serving(
            policy=policy,
            gateways=gateways,
            books=books,
            tenants=tenants,
            shell=shell,
            board=board,
            closed=lambda: {*drained(), *left()},
            connections=connections,
            blocklist=Blocklist(clock, _BLOCKED_SECONDS, policy.quarantine),
        )

    async def retire(self) -> ForwardsPass:
        """Close what has ended, free what has rested.  Asks nobody: not even a hanging scheduler delays it."""
        return await self._pass(self._retire)

    async def serve(self) -> ForwardsPass:
        """Give ports to those who wait.  Takes as long as the scheduler and the gateways take to answer."""
        return await self._pass(self._serve)

    async def move(self) -> ForwardsPass:
        """Move live grants off gateways that are left.  Asks only the gateways where they go."""
        return await self._pass(self._move)

    async def _pass(self, work: Callable[[Tenancies, "_Tally"], Awaitable[None]]) -> ForwardsPass:
        tenancies = self._tenants.current()
        if tenancies is None:
            return ForwardsPass(blind=True)
        tally = _Tally()
        await work(tenancies, tally)
        for gateway in sorted(tally.touched):
            self._on_change(gateway)
        if tally.counts or tally.refused:
            _log.info("forwards.pass", refused=len(tally.refused), waiting=len(tally.waiting), **tally.counts)
        return tally.report()

    def _watch_quarantine(self) -> None:
        """A quarantine begins when this leader first sees it: the clocks of two leaders have nothing in common."""
        now, known = self._clock(), self._quarantined
        keys = (
            key_of(job_id, grant)
            for job_id, versioned in self._books.forwards().items()
            for grant in versioned.record.grants
            if grant.phase is GrantPhase.QUARANTINED
        )
        self._quarantined = {key: known.get(key, now) for key in keys}

    async def _retire(self, tenancies: Tenancies, tally: "_Tally") -> None:
        self._watch_quarantine()
        now, changes = self._clock(), []
        for job_id, versioned in self._books.forwards().items():
            record, tenancy = versioned.record, tenancies.get(job_id)
            closed = close_ended(record, tenancy)
            kept = drop_free(closed, tenancy, self._quarantined, now, self._policy.quarantine)
            if kept is not record or finished(kept, tenancy):
                changes.append(self._retire_one(versioned, closed, kept, tally, last=finished(kept, tenancy)))
        await in_parallel(changes)

    async def _retire_one(
        self, before: Versioned, closed: JobForwards, kept: JobForwards, tally: "_Tally", *, last: bool
    ) -> None:
        """Write what is left of a record: first with grants closed, then without those whose ports are free."""
        freed = len(closed.grants) - len(kept.grants)
        if last:
            tally.add(await self._books.delete(kept.job_id, before.revision), deleted=1, freed=freed)
            return
        ended = [new for old, new in zip(before.record.grants, closed.grants, strict=True) if old.phase != new.phase]
        tally.add(await self._books.write(kept, before.revision), closed=len(ended), freed=freed)
        tally.touched |= {grant.gateway for grant in ended}

    async def _serve(self, known: Tenancies, tally: "_Tally") -> None:
        """One look serves all that waits."""
        requests, losses = self._pending(known, tally), self._losses()
        if not requests and not losses:
            return
        tenancies = self._tenants.current() if await self._tenants.look_again() else None
        if tenancies is None:
            waiting = {each.job_id for each in requests} | {each.job_id for each in losses}
            tally.waiting |= dict.fromkeys(waiting, Waiting(LOOKLESS, "The scheduler could not be asked."))
            return
        cases = [*self._judged(requests, tenancies, tally), *losses]
        for case, result in (await self._serving.serve(cases)).items():
            tally.served(case, result)
        await in_parallel(self._refuse(*each, tally) for each in tally.refused)

    async def _move(self, known: Tenancies, tally: "_Tally") -> None:
        """No look is needed: nobody gets anything that was not his.  What finds no place stays where it is.

        A gateway that the settings do not name any more, or with the other address family, is left, too.
        """
        left = frozenset(self._left())
        for gateway in sorted(left - self._told):
            _log.warning("gateway.left", gateway=gateway)
        self._told = left
        cases = [
            Case(job_id, grant.run, grant.hosts, len(grant.forwards), grant, grant.forwards, moves=True)
            for job_id, versioned in self._books.forwards().items()
            for grant in versioned.record.grants
            if grant.phase in LIVE and (grant.gateway in left or not self._carries(grant))
        ]
        movable = [case for case in cases if case.holds(known.get(case.job_id))]
        for case, result in (await self._serving.serve(movable)).items():
            tally.served(case, result)
        if tally.waiting and tally.waiting != self._staying:
            why = Counter(each.code for each in tally.waiting.values())
            _log.warning("forwards.staying", jobs=len(tally.waiting), first=min(tally.waiting), why=dict(why))
        self._staying = tally.waiting

    def _carries(self, grant: Grant) -> bool:
        """Whether the settings still name its gateway, and with the address family of its forwards."""
        gateway = self._gateways.get(grant.gateway)
        return gateway is not None and grant.leads(gateway.family)

    def _pending(self, known: Tenancies, tally: "_Tally") -> list[PortRequest]:
        """Requests without a live grant or a final refusal, oldest first; those of no living job cost no look."""
        records = {job_id: each.record for job_id, each in self._books.forwards().items()}
        waiting = [each for each in self._books.requests() if _unanswered(each, records.get(each.job_id))]
        living = [each for each in waiting if (tenancy := known.get(each.job_id)) and not tenancy.gone]
        tally.strangers = len(waiting) - len(living)
        return sorted(living, key=lambda each: (each.received_at, each.job_id, each.run))

    def _losses(self) -> list[Case]:
        """Forwards whose port on the host another process took."""
        records = {job_id: each.record for job_id, each in self._books.forwards().items() if each.record.grants}
        return [
            Case(job_id, grant.run, grant.hosts, len(lost), grant, lost)
            for job_id, record in records.items()
            if (reports := self._books.reports(job_id))
            for grant in record.grants
            if (lost := taken(grant, reports))
        ]

    def _judged(self, requests: list[PortRequest], tenancies: Tenancies, tally: "_Tally") -> list[Case]:
        cases: list[Case] = []
        for request in requests:
            tenancy = tenancies.get(request.job_id)
            if tenancy is None:
                continue
            verdict = verify(request, tenancy, self._policy)
            if isinstance(verdict, Verified):
                cases.append(Case(request.job_id, request.run, verdict.hosts, request.ports))
            elif isinstance(verdict, Waiting):
                tally.waiting[request.job_id] = verdict
            else:
                tally.refused.append((request.job_id, str(request.run), verdict))
        return cases

    async def _refuse(self, job_id: str, run: str, refusal: Refusal, tally: "_Tally") -> None:
        versioned = self._books.forwards().get(job_id)
        record = versioned.record if versioned else JobForwards(job_id=job_id)
        if record.refusals.get(run) != refusal:
            refused = record.model_copy(update={"refusals": {**record.refusals, run: refusal}})
            done = await self._books.write(refused, versioned.revision if versioned else None)
            tally.add(done, refusals=1)


def _unanswered(request: PortRequest, record: JobForwards | None) -> bool:
    if record is None:
        return True
    refusal = record.refusals.get(str(request.run))
    return record.grant_for(request.run) is None and (refusal is None or not refusal.final)


class _Tally:
    """A pass's report in the making."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.waiting: dict[str, Waiting] = {}
        self.refused: list[tuple[str, str, Refusal]] = []
        self.touched: set[str] = set()
        self.strangers = 0

    def add(self, done: bool, **counts: int) -> None:
        """Count what a write was for, or the write as unwritten."""
        self.counts += Counter(counts if done else {"unwritten": 1})

    def served(self, case: Case, result: Reserved | Waiting | Refusal) -> None:
        """Count what a case came to, and whose rules must change for it."""
        if isinstance(result, Reserved):
            what = "moved" if case.moves else "replaced" if case.grant else "reserved"
            self.add(done=True, **{what: 1})
            self.touched |= {result.gateway, *([case.grant.gateway] if case.grant and case.moves else [])}
        elif isinstance(result, Waiting):
            self.waiting[case.job_id] = result
        elif case.grant is None:
            self.refused.append((case.job_id, str(case.run), result))
        else:  # it keeps what it has
            self.waiting[case.job_id] = Waiting(result.code, result.message)

    def report(self) -> ForwardsPass:
        """The typed report."""
        return ForwardsPass(
            reserved=self.counts["reserved"],
            replaced=self.counts["replaced"],
            moved=self.counts["moved"],
            refused={job_id: refusal for job_id, _, refusal in self.refused},
            waiting=self.waiting,
            strangers=self.strangers,
            closed=self.counts["closed"],
            freed=self.counts["freed"],
            deleted=self.counts["deleted"],
            unwritten=self.counts["unwritten"],
            touched=frozenset(self.touched),
        )
