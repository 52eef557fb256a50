"""Waiting requests -> reserved grants: allocate, ask the gateways about names and foreign listeners, write."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from keyhole import gateway as remote
from keyhole.allocation import Allocation, Allotment, Ask, Pair, Pool, Unserved, allocate
from keyhole.domain import Forward, ForwardPolicy, Gateway, Grant, GrantPhase, JobForwards, Refusal, Run, Tenancy
from keyhole.gateway import Unanswered
from keyhole.interfaces import Books, GatewayShell, Tenants
from keyhole.nat.model import Target
from keyhole.parallel import in_parallel
from keyhole.reconciler.board import Blocklist, GatewayBoard
from keyhole.retirement import moved, no_successors, replaced
from keyhole.verification import Waiting, addresses_of

_SECONDS = 20.0
"""Longest time for one question to a gateway."""
_ROUNDS = 3
"""So often other ports are tried within a pass where foreign listeners were found; a move tries every gateway."""
_MOST_PROBES = 4096
"""Most ports that are looked at for one batch; the batch hosts, where forwards lead, come first."""


EXHAUSTED = Refusal(
    code="port-pool-exhausted",
    message="All ports of the gateways are in use. Served as soon as some are free.",
    final=False,
)
NO_GATEWAY = Waiting("no-gateway", "No gateway can take new forwards now.")


@dataclass(frozen=True, slots=True)
class Case:
    """A run that is to get forwards: all that it asked for, or others in place of ``lost`` ones of its ``grant``.

    ``moves``: all of them are lost with their gateway; what they lead to is as it was.
    """

    job_id: str
    run: Run
    hosts: tuple[str, ...]
    ports: int
    grant: Grant | None = None
    lost: tuple[Forward, ...] = ()
    moves: bool = False

    def ask(self, barred: frozenset[str] = frozenset()) -> Ask:
        """What the allocation is asked for; ``barred``: gateways where it cannot move."""
        if not self.moves:
            gateway = self.grant.gateway if self.grant else None
            return Ask(self.job_id, self.run, self.hosts, self.ports, gateway)
        pairs = tuple(Pair(each.external_port, each.internal_port) for each in self.lost)
        return Ask(self.job_id, self.run, self.hosts, self.ports, barred=barred, moved=pairs)

    def holds(self, tenancy: Tenancy | None) -> bool:
        """Whether the scheduler still shows what the case was judged by: a wanted run, on its hosts.

        Of a grant that exists only the host counts where its forwards lead: Slurm may have taken others from the job.
        """
        if tenancy is None or not tenancy.wanted or tenancy.run != self.run:
            return False
        return self.hosts == tenancy.hosts if self.grant is None else self.hosts[0] in tenancy.hosts


@dataclass(frozen=True, slots=True)
class Reserved:
    """The record names the ports now; ``gateway`` is to open them."""

    gateway: str


class Busy(NamedTuple):
    """Foreign listeners were found: their ports are blocked, other ports are to be tried."""

    internal: Sequence[tuple[str, int]]
    external: Sequence[tuple[str, int]]


class Unfit(NamedTuple):
    """From this gateway the hosts of something that moves cannot be met: another one is to be tried."""

    gateway: str
    why: Waiting | Refusal


Barred = Mapping[Case, frozenset[str]]
Result = Reserved | Waiting | Refusal | Busy | Unfit


class Placed(NamedTuple):
    """A case, what it was allotted, and the addresses of its hosts as that gateway sees them."""

    case: Case
    allotment: Allotment
    found: Mapping[str, str]

    def inside(self, hosts: Iterable[str]) -> Iterable[tuple[str, Target]]:
        """(host, place) on which nobody may listen yet; none where the job itself listens already."""
        pairs = () if self.case.moves else self.allotment.pairs
        return ((host, Target(self.found[host], pair.internal)) for host in hosts for pair in pairs)

    def outside(self, gateway: Gateway) -> Iterable[tuple[int, Target]]:
        """(port, place) on the gateway itself on which nobody may listen."""
        return ((pair.external, Target(gateway.internal_ip, pair.external)) for pair in self.allotment.pairs)


class Serving:
    """Reserves ports for verified runs."""

    def __init__(
        self,
        *,
        policy: ForwardPolicy,
        gateways: Mapping[str, Gateway],
        books: Books,
        tenants: Tenants,
        shell: GatewayShell,
        board: GatewayBoard,
        closed: Callable[[], Collection[str]],
        connections: Callable[[], Mapping[str, int]],
        blocklist: Blocklist,
    ) -> None:
        self._policy = policy
        self._gateways = gateways
        self._books = books
        self._tenants = tenants
        self._shell = shell
        self._board = board
        self._closed = closed
        self._connections = connections
        self._blocklist = blocklist
        self._cursors: dict[str, int] = {}

    async def serve(self, cases: Iterable[Case]) -> Mapping[Case, Reserved | Waiting | Refusal]:
        """Reserve what can be reserved now; every case gets a result."""
        results: dict[Case, Reserved | Waiting | Refusal] = {}
        left = list(cases)
        barred = {case: no_successors(case.grant, self._gateways) for case in cases if case.moves and case.grant}
        for _ in range(max(_ROUNDS, len(self._gateways))):
            if not left:
                break
            answers = await self._round(left, barred)
            for case, answer in answers.items():
                if isinstance(answer, Unfit):
                    barred[case] |= {answer.gateway}
                    results[case] = answer.why
                elif not isinstance(answer, Busy) and (answer != NO_GATEWAY or case not in results):
                    results[case] = answer
            left = [case for case in left if isinstance(answers[case], Busy | Unfit)]
        busy = Waiting("ports-busy", "The ports tried so far are in use on the job's hosts.")
        return dict.fromkeys(left, busy) | results

    async def _round(self, cases: Sequence[Case], barred: Barred) -> dict[Case, Result]:
        reachable = self._board.usable()
        allocation = self._allocate(cases, reachable, barred)
        with self._blocklist.underway(allocation.allotments):
            return await self._ask(cases, allocation, reachable)

    def _allocate(self, cases: Sequence[Case], reachable: Sequence[str], barred: Barred) -> Allocation:
        """By everything that is known now; nothing may come between this and the note that it is under way."""
        known = (grant for each in self._books.forwards().values() for grant in each.record.grants)
        grants = (*known, *(self._books.unread() or ()))
        blocked = self._blocklist.current(self._board, {host for case in cases for host in case.hosts})
        closed, policy = self._closed(), self._policy
        takers = [name for name in reachable if name not in closed]
        pool = Pool(takers, policy.first_port, policy.last_port, self._cursors, self._connections())
        allocation = allocate((case.ask(barred.get(case, frozenset())) for case in cases), grants, blocked, pool)
        self._cursors = dict(allocation.cursors)
        return allocation

    async def _ask(self, cases: Sequence[Case], allocation: Allocation, reachable: Sequence[str]) -> dict[Case, Result]:
        """Have each gateway say what it knows of its share, and enter what is free."""
        results: dict[Case, Result] = {}
        chosen: dict[str, list[tuple[Case, Allotment]]] = {}
        for case, answer in zip(cases, allocation.results, strict=True):
            if isinstance(answer, Unserved):
                results[case] = EXHAUSTED if answer.exhausted else NO_GATEWAY
            elif answer.gateway in reachable:
                chosen.setdefault(answer.gateway, []).append((case, answer))
            else:
                results[case] = NO_GATEWAY
        batches = await in_parallel(self._batch(self._gateways[name], each) for name, each in chosen.items())
        for result in (result for batch in batches for result in batch.values() if isinstance(result, Busy)):
            self._blocklist.block(result.internal, result.external)
        return {case: result for batch in (results, *batches) for case, result in batch.items()}

    async def _batch(self, gateway: Gateway, batch: Sequence[tuple[Case, Allotment]]) -> dict[Case, Result]:
        """All that one gateway was allotted: one session for the names, one for the ports, then the writes."""
        results: dict[Case, Result] = {}
        addresses = await self._addresses(gateway, {host for case, _ in batch for host in case.hosts})
        if isinstance(addresses, Waiting):
            return {case: addresses for case, _ in batch}
        placed: list[Placed] = []
        for case, allotment in batch:
            found = addresses_of(case.hosts, addresses, self._policy, gateway.family)
            if isinstance(found, Waiting | Refusal):
                results[case] = Unfit(gateway.name, found) if case.moves else found
            else:
                placed.append(Placed(case, allotment, found))
        looked = await self._listeners(gateway, placed)
        free: list[Placed] = []
        for each in placed:
            busy = looked if isinstance(looked, Waiting) else _busy(gateway, each, looked)
            if busy is None:
                free.append(each)
            else:
                results[each.case] = busy
        written = await in_parallel(self._reserve(*each) for each in free)
        return results | {each.case: result for each, result in zip(free, written, strict=True)}

    async def _addresses(self, gateway: Gateway, hosts: Iterable[str]) -> Mapping[str, Sequence[str]] | Waiting:
        call = remote.resolve(gateway, (host + self._policy.hostname_suffix for host in hosts))
        answer = remote.read_resolve(await self._shell.run(gateway.name, call.script, call.args, call.stdin, _SECONDS))
        return self._silent(gateway, answer) if isinstance(answer, Unanswered) else answer

    async def _listeners(self, gateway: Gateway, placed: Sequence[Placed]) -> Mapping[Target, bool] | Waiting:
        """Whether anything listens on the chosen ports: on all hosts of each job, and on the gateway itself."""
        first = [target for each in placed for _, target in each.inside(each.case.hosts[:1])]
        own = [target for each in placed for _, target in each.outside(gateway)]
        rest = (target for each in placed for _, target in each.inside(each.found))
        targets = list(dict.fromkeys([*first, *own, *rest]))[:_MOST_PROBES]
        if not targets:
            return {}
        call = remote.probe(gateway, targets)
        answer = remote.read_probe(await self._shell.run(gateway.name, call.script, call.args, call.stdin, _SECONDS))
        if isinstance(answer, Unanswered):
            return self._silent(gateway, answer)
        if len(answer) < len(targets):
            return Waiting("not-probed", f"{gateway.name} could not probe the chosen ports.")
        return answer

    def _silent(self, gateway: Gateway, answer: Unanswered) -> Waiting:
        self._board.silent(gateway.name, answer.reason)
        return Waiting("gateway-silent", f"{gateway.name} does not answer.")

    async def _reserve(self, case: Case, allotment: Allotment, found: Mapping[str, str]) -> Result:
        """Enter the ports in the ledger; where that is in doubt, nobody gets them for a while.

        The gateway may have taken most of a minute to answer: the job is judged again, and nothing comes in between.
        """
        if not case.holds((self._tenants.current() or {}).get(case.job_id)):
            return Waiting("changed", "The job has changed meanwhile.")
        host = case.hosts[0]
        forwards = tuple(
            Forward(external_port=out, internal_host=host, internal_address=found[host], internal_port=inner)
            for out, inner in allotment.pairs
        )
        versioned = self._books.forwards().get(case.job_id)
        gateway = self._gateways[allotment.gateway]
        record = _entered(case, gateway, forwards, versioned.record if versioned else None)
        if record is None:
            return Waiting("changed", "The job's forwards were changed meanwhile.")
        if await self._books.write(record, versioned.revision if versioned else None):
            return Reserved(allotment.gateway)
        self._blocklist.block(
            [(each, pair.internal) for each in case.hosts for pair in allotment.pairs],
            [(allotment.gateway, pair.external) for pair in allotment.pairs],
        )
        return Waiting("write-in-doubt", "The ports could not be entered surely; others are tried.")


def _entered(
    case: Case, gateway: Gateway, forwards: tuple[Forward, ...], record: JobForwards | None
) -> JobForwards | None:
    """The job's record with the new forwards; None where it has changed since the case was judged."""
    record = record or JobForwards(job_id=case.job_id)
    live = record.grant_for(case.run)
    if live != case.grant:
        return None
    if live is not None and not case.moves:
        return replaced(record, live, dict(zip(case.lost, forwards, strict=True)))
    grant = Grant(
        attempt=case.run.attempt,
        restart=case.run.restart,
        gateway=gateway.name,
        external_host=gateway.public_host(case.job_id),
        public_port=gateway.public_port,
        hosts=case.hosts,
        forwards=forwards,
        phase=GrantPhase.RESERVED,
    )
    if live is not None:
        return moved(record, live, grant)
    refusals = {run: refusal for run, refusal in record.refusals.items() if run != str(case.run)}
    return record.model_copy(update={"grants": (*record.grants, grant), "refusals": refusals})


def _busy(gateway: Gateway, placed: Placed, looked: Mapping[Target, bool]) -> Busy | None:
    """The chosen ports on which something listens already, if any."""
    busy = Busy(
        [(host, target.port) for host, target in placed.inside(placed.found) if looked.get(target)],
        [(gateway.name, port) for port, target in placed.outside(gateway) if looked.get(target)],
    )
    return busy if busy.internal or busy.external else None
