"""One gateway's rules: what the ledger wants against what is there, loaded in one fenced transaction per batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import structlog

from keyhole import gateway as remote
from keyhole.domain import ForwardPolicy, Gateway, Sources, sources
from keyhole.gateway import UNLISTED, Fenced, Guard, Loaded, Refused, Remote, Unanswered, Uncut
from keyhole.interfaces import Answer, Books, GatewayShell, NoAnswer, Office
from keyhole.nat.choice import choose, listed, others
from keyhole.nat.conflicts import Conflict, conflicts
from keyhole.nat.model import (
    Actual,
    Backend,
    Change,
    Driver,
    Frame,
    Listing,
    Passage,
    Table,
    Target,
    difference,
    ended,
    narrows,
    trespassing,
)
from keyhole.parallel import in_parallel
from keyhole.reconciler.board import GatewayBoard, GatewayState
from keyhole.reconciler.work import Work

_SECONDS = 20.0
"""Longest time for one look or load."""
_MARGIN = 2.0
"""Leadership that must be left to begin; an effect that outlives it is refused by the gateway's own fence."""

_BLIND = "iptables-save has worked here and does not now: foreign rules on ports of ours may be there unseen"

_log = structlog.get_logger(__name__)

Cuts = Sequence[tuple[int, str, Target]]
"""Whose connections must end, see `keyhole.gateway.cuts_of`."""
Outcome = Literal["in-step", "loaded", "unreachable", "fenced", "refused", "uncut", "not-leading"]
Failure = Fenced | Refused | Uncut | Unanswered
_OUTCOMES: Mapping[type[Failure], Outcome] = {
    Fenced: "fenced",
    Refused: "refused",
    Uncut: "uncut",
    Unanswered: "unreachable",
}


@dataclass(frozen=True, slots=True)
class SyncPass:
    """What one pass over a gateway did; counts of forwards, except ``opened`` and ``quarantined``: of grants."""

    gateway: str
    outcome: Outcome
    detail: str = ""
    backend: Backend | None = None
    forwards: int = 0
    added: int = 0
    removed: int = 0
    whole: bool = False
    cut: int = 0
    """Connections of sources that are not let in any more."""
    narrowed: bool = False
    """Sources were shut out: their connections are to be looked for."""
    drifted: bool = False
    """The gateway held something else than this leader had put there."""
    opened: int = 0
    quarantined: int = 0
    held: int = 0
    """Forwards that no record names and that stay, since there are records that cannot be read."""
    unwritten: int = 0
    """Records that somebody else changed meanwhile: the next pass looks again."""
    conflicts: tuple[Conflict, ...] = ()
    blind: bool = False
    """Foreign rules could not be looked for; ``conflicts`` are those that were known."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What the gateway holds, by a look at ``seen_at`` and what was loaded since."""

    frame: Frame
    driver: Driver
    actual: Actual
    leftovers: tuple[tuple[Driver, Actual], ...]
    """What other drivers left behind, where there is anything."""
    conflicts: tuple[Conflict, ...]
    blind: bool
    """Foreign rules could not be looked for; ``conflicts`` are those that were known."""
    flows: frozenset[Passage] | None
    """What is translated, as far as it was not cut since; None: it could not be listed."""
    seen_at: float

    @classmethod
    def of(cls, listing: Listing, frame: Frame, driver: Driver, foreign: tuple[Conflict, ...], now: float) -> "Picture":
        """Read a listing."""
        strangers = [(each, each.parse(listing, frame)) for each in others(driver)]
        leftovers = tuple((each, actual) for each, actual in strangers if actual.present)
        # Ports behind a proxy are never opened: no packet filter can take them away.
        blind = listing.blind and driver.backend != "proxy"
        return cls(frame, driver, driver.parse(listing, frame), leftovers, foreign, blind, listing.flows, now)

    @property
    def carried(self) -> Table:
        """All that leads somewhere, by whatever driver."""
        tables = [*(actual.forwards for _, actual in self.leftovers), self.actual.forwards]
        return {port: target for table in tables for port, target in table.items()}

    def dropped(self, change: Change) -> set[int]:
        """Ports that lead nowhere, or elsewhere, after a change."""
        return {*change.remove, *(port for _, actual in self.leftovers for port in actual.forwards)}

    def differs_from(self, table: Table) -> bool:
        """Whether somebody changed what was loaded as ``table``."""
        return not self.actual.intact or self.actual.forwards != table

    def loads(
        self, desired: Table, change: Change, closing: Table, strangers: Sequence[Passage]
    ) -> list[tuple[Backend, str, Cuts]]:
        """Inputs by backend: ours first, so that forwards go on while other drivers' objects are removed.

        Packet filters share the kernel's connections, a proxy has its own: those of a left-over end with it, since
        whoever serves now could not cut them later.
        """
        loads: list[tuple[Backend, str, Cuts]] = []
        cuts = remote.cuts_of(ended(change, desired), closing, flows=strangers)
        if change.needed or closing or strangers:
            rules = self.driver.render(self.frame, desired, change, self.actual) if change.needed else ""
            loads.append((self.driver.backend, rules, cuts))
        for old, actual in self.leftovers:
            apart = "proxy" in {old.backend, self.driver.backend}
            ends = remote.cuts_of(closing, actual.forwards) if apart else cuts
            loads.append((old.backend, old.render_removal(self.frame, actual), ends))
        return loads


class GatewaySync:
    """Keeps one gateway's rules equal to the ledger.

    ``look_every``: seconds after which the gateway is looked at again; passes in between trust what was seen and
    loaded, so that opening one more forward costs the same however many there are.
    """

    def __init__(
        self,
        *,
        gateway: Gateway,
        installation: str,
        policy: ForwardPolicy,
        books: Books,
        shell: GatewayShell,
        office: Office,
        board: GatewayBoard,
        clock: Callable[[], float],
        look_every: float = 5.0,
    ) -> None:
        networks = tuple(net for net in policy.compute_networks if net.version == gateway.family)
        self._frame = Frame(installation, policy.first_port, policy.last_port, networks, gateway.family)
        self._bound = policy.admission != "open"
        self._gateway = gateway
        self._policy = policy
        self._books = books
        self._shell = shell
        self._office = office
        self._board = board
        self._clock = clock
        self._look_every = look_every
        self._picture: Picture | None = None
        self._loaded: Table | None = None
        self._conflicts: tuple[Conflict, ...] = ()
        """Foreign rules when they could last be looked for."""
        self._held: Table = {}
        self._stranded: frozenset[str] = frozenset()
        """Jobs of which it is in the log that their forwards are of the other family."""

    async def reconcile(self) -> SyncPass:
        """Look where it is due, load what differs, write what the gateway has confirmed."""
        unread = self._books.unread() is not None
        names = self._policy.backend == "proxy"
        admitted = self._admitted if self._bound else None
        name, family = self._gateway.name, self._gateway.family
        work = Work.of(self._books.forwards(), name, family, unread=unread, admitted=admitted, names=names)
        guard = self._guard()
        if guard is None:
            return SyncPass(self._gateway.name, "not-leading")
        report = await self._confirm(work, await self._in_step(guard, work))
        # What it carries is served on; a port that a foreign rule may translate is given to nobody.
        usable = report.outcome in {"in-step", "loaded", "uncut"} and not report.blind
        self._tell(report.conflicts)
        self._tell_stranded(frozenset(work.stranded))
        self._board.saw(self._gateway.name, GatewayState(usable, _detail(report), report.conflicts))
        if report.outcome != "in-step" or report.opened or report.quarantined:
            _log.info("gateway.synced", **_told(report))
        return report

    def _admitted(self, job_id: str) -> Sources:
        return sources(self._books.admitted(job_id), self._gateway.family)

    def _tell(self, found: tuple[Conflict, ...]) -> None:
        """Foreign rules on our ports, once each: an administrator must decide whose ports they are."""
        before = self._board.states().get(self._gateway.name)
        for conflict in sorted(set(found) - set(before.conflicts if before else ())):
            _log.warning("gateway.foreign-rule", gateway=self._gateway.name, rule=conflict.rule)

    def _tell_stranded(self, jobs: frozenset[str]) -> None:
        for job_id in sorted(jobs - self._stranded):
            _log.warning("gateway.other-family", gateway=self._gateway.name, job=job_id)
        self._stranded = jobs

    def _guard(self) -> Guard | None:
        fence = self._office.fence(_MARGIN)
        return Guard(self._gateway, self._frame.installation, fence) if fence else None

    async def _in_step(self, guard: Guard, work: Work) -> SyncPass:
        """Load against the remembered picture; where the gateway refuses that, once more against a fresh one.

        Where some were shut out, who came in before is looked for, and cut: from then on nobody can come in anew.
        """
        remembered = self._picture
        picture = await self._look(guard, work)
        report = await self._load(guard, work, picture)
        if report.outcome == "refused" and picture is remembered:
            report = await self._load(guard, work, await self._look(guard, work))
        if report.outcome == "loaded" and report.narrowed:
            then = await self._load(guard, work, await self._look(guard, work))
            outcome = "loaded" if then.outcome == "in-step" else then.outcome
            return replace(report, outcome=outcome, detail=then.detail, cut=report.cut + then.cut)
        return report

    def _holding(self, work: Work, picture: Picture) -> Work:
        """Keep what may belong to a record that cannot be read, and tell whoever gives ports away."""
        self._held = work.held(picture.carried)
        self._board.holds(self._gateway.name, self._held)
        return work.holding(self._held)

    async def _look(self, guard: Guard, work: Work) -> Picture | Failure:
        frame, now = self._frame.around({**work.desired, **self._held}), self._clock()
        known = self._picture
        if known and known.frame == frame and now - known.seen_at < self._look_every:
            return known
        listing = remote.read_look(await self._run(remote.look(guard, frame.name, flows=self._bound)))
        if isinstance(listing, Fenced | Unanswered):
            return listing
        driver = choose(self._policy.backend, listing)
        if not listed(driver, listing):
            where = f"at {self._gateway.proxy_socket}" if driver.backend == "proxy" else "here"
            return Unanswered(f"rules cannot be listed with {driver.backend} {where}")
        if listing.nat is not None:
            self._conflicts = tuple(conflicts(listing, frame)) if driver.backend != "proxy" else ()
        picture = Picture.of(listing, frame, driver, self._conflicts, now)
        around = frame.around(work.held(picture.carried))
        self._picture = picture if around == frame else Picture.of(listing, around, driver, self._conflicts, now)
        return self._picture

    async def _load(self, guard: Guard, wanted: Work, picture: Picture | Failure) -> SyncPass:
        """Make the gateway hold all that is wanted, and cut what must end."""
        if not isinstance(picture, Picture):
            return self._failed(picture)
        work = self._holding(wanted, picture)
        change = difference(picture.actual, work.desired)
        strangers = trespassing(picture.flows or frozenset(), work.desired)
        report = SyncPass(
            self._gateway.name,
            "in-step",
            backend=picture.driver.backend,
            forwards=len(work.desired),
            held=len(self._held),
            drifted=self._loaded is not None and picture.differs_from(self._loaded),
            conflicts=picture.conflicts,
            blind=picture.blind,
        )
        loads = picture.loads(work.desired, change, work.closing, strangers)
        if not loads:
            return self._seen_through(report, picture)
        # Before they are gone: of a load without an answer, nobody sees afterwards that they led somewhere.
        self._board.strayed(self._gateway.name, picture.dropped(change) - work.named)
        # The result is unknown until all is loaded; after a load of the whole, the next pass looks at it.
        self._picture, self._loaded = None, None
        for backend, rules, cuts in loads:
            result = remote.read_load(await self._run(remote.load(guard, backend, rules, cuts)))
            if not isinstance(result, Loaded):
                failed = self._failed(result)
                return replace(failed, backend=backend, conflicts=picture.conflicts, blind=picture.blind)
        self._loaded = work.desired
        narrowed = self._bound and (bool(picture.leftovers) or narrows(picture.carried, work.desired))
        if not (change.whole or picture.leftovers or narrowed):
            actual = replace(picture.actual, forwards=work.desired)
            self._picture = replace(picture, actual=actual, flows=picture.flows and picture.flows - {*strangers})
        report = replace(report, outcome="loaded", added=len(change.add), removed=len(change.remove))
        report = replace(report, whole=change.whole, cut=len(strangers), narrowed=narrowed)
        return self._seen_through(report, picture)

    def _seen_through(self, report: SyncPass, picture: Picture) -> SyncPass:
        """The report; or that nobody knows who is inside, although not everybody may be."""
        if not self._bound or picture.flows is not None:
            return report
        self._picture = None
        return replace(report, outcome="uncut", detail=UNLISTED)

    async def _run(self, call: Remote) -> Answer | NoAnswer:
        return await self._shell.run(self._gateway.name, call.script, call.args, call.stdin, _SECONDS)

    def _failed(self, failure: Failure) -> SyncPass:
        self._picture = None
        detail = f"the gateway knows {failure.fence}" if isinstance(failure, Fenced) else failure.reason
        return SyncPass(self._gateway.name, _OUTCOMES[type(failure)], detail)

    async def _confirm(self, work: Work, report: SyncPass) -> SyncPass:
        """Write down what the gateway has confirmed: nothing is quarantined whose connections may live."""
        if report.outcome not in {"in-step", "loaded", "uncut"}:
            return report
        confirmations = work.confirmations(cut=report.outcome != "uncut")
        written = await in_parallel(self._books.write(each.record, each.revision) for each in confirmations)
        done = [each for each, ok in zip(confirmations, written, strict=True) if ok]
        return replace(
            report,
            opened=sum(each.opened for each in done),
            quarantined=sum(each.quarantined for each in done),
            unwritten=len(confirmations) - len(done),
        )


def _detail(report: SyncPass) -> str:
    """What an administrator should know, beside foreign rules that were seen."""
    return report.detail or (_BLIND if report.blind else "")


def _told(report: SyncPass) -> dict[str, object]:
    """A pass for the log: what it did, without the empty fields."""
    told = {key: value for key, value in asdict(report).items() if value}
    return told | ({"conflicts": len(report.conflicts)} if report.conflicts else {})
