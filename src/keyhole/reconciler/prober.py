"""Readiness and health: one session per gateway and tick probes every open forward of that gateway."""

from dataclasses import dataclass

from keyhole.domain import Gateway, GrantPhase
from keyhole.gateway import Unanswered, probe, read_probe
from keyhole.interfaces import Books, GatewayShell
from keyhole.nat.model import Target
from keyhole.readiness import Health, Service
from keyhole.reconciler.board import ProbeBoard

_SECONDS = 30.0
"""Longest time for all probes of a tick."""


@dataclass(frozen=True, slots=True)
class ProbePass:
    """What one tick found; counts of services."""

    gateway: str
    good: int = 0
    bad: int = 0
    unmade: int = 0
    """Probes that could not be made: they change nothing."""
    changed: frozenset[str] = frozenset()
    """Jobs of which a service became reachable or stopped being so."""
    detail: str = ""


class Prober:
    """Probes the services behind one gateway."""

    def __init__(self, *, gateway: Gateway, books: Books, shell: GatewayShell, board: ProbeBoard) -> None:
        self._gateway = gateway
        self._books = books
        self._shell = shell
        self._board = board

    async def reconcile(self) -> ProbePass:
        """Probe once."""
        targets = self._targets()
        answer = await self._probe(set(targets.values())) if targets else {}
        results = answer if not isinstance(answer, Unanswered) else {}
        before = self._board.of(self._gateway.name)
        verdicts = {service: results.get(target) for service, target in targets.items()}
        changed = self._board.update(
            self._gateway.name,
            {service: before.get(service, Health()).after(good) for service, good in verdicts.items()},
        )
        seen = list(verdicts.values())
        return ProbePass(
            self._gateway.name,
            good=seen.count(True),
            bad=seen.count(False),
            unmade=seen.count(None),
            changed=frozenset(changed),
            detail=answer.reason if isinstance(answer, Unanswered) else "",
        )

    def _targets(self) -> dict[Service, Target]:
        return {
            Service(job_id, grant.run, forward.internal_port): Target(forward.internal_address, forward.internal_port)
            for job_id, versioned in self._books.forwards().items()
            for grant in versioned.record.grants
            if grant.gateway == self._gateway.name and grant.phase is GrantPhase.OPEN
            for forward in grant.forwards
        }

    async def _probe(self, targets: set[Target]) -> dict[Target, bool] | Unanswered:
        call = probe(self._gateway, targets)
        answer = read_probe(await self._shell.run(self._gateway.name, call.script, call.args, call.stdin, _SECONDS))
        return answer if isinstance(answer, Unanswered) else dict(answer)
