"""Hearing gateways: every question to one tells whether it is there, and a quiet one is asked for that alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keyhole.domain import Gateway
from keyhole.gateway import probe
from keyhole.interfaces import Answer, GatewayShell, NoAnswer
from keyhole.reach import Reach

_SECONDS = 8.0
"""Longest time for an answer that says nothing."""


class ListeningShell:
    """A `GatewayShell` that tells a `Reach` of every question and its answer."""

    def __init__(self, shell: GatewayShell, reach: Reach, clock: Callable[[], float]) -> None:
        self._shell = shell
        self._reach = reach
        self._clock = clock

    async def run(
        self, gateway: str, script: str, args: Sequence[str], stdin: bytes, seconds: float
    ) -> Answer | NoAnswer:
        """See `GatewayShell`."""
        began = self._clock()
        self._reach.asked(gateway, began)
        answer = await self._shell.run(gateway, script, args, stdin, seconds)
        if isinstance(answer, Answer):
            self._reach.answered(gateway, self._clock())
        elif answer.tried:
            self._reach.failed(gateway, began)
        return answer


@dataclass(frozen=True, slots=True)
class KnockPass:
    """What one look at a gateway's silence came to."""

    gateway: str
    asked: bool


class Knocker:
    """Sees to it that a gateway's silence is noticed: one question in a few seconds, where nobody else asks."""

    def __init__(self, *, gateway: Gateway, shell: ListeningShell, reach: Reach, clock: Callable[[], float]) -> None:
        self._gateway = gateway
        self._shell = shell
        self._reach = reach
        self._clock = clock

    async def reconcile(self) -> KnockPass:
        """Ask where it is due: for the probes of no port."""
        name, now = self._gateway.name, self._clock()
        self._reach.watch(now)
        due = self._reach.due(name, now)
        if due:
            call = probe(self._gateway, ())
            await self._shell.run(name, call.script, call.args, call.stdin, _SECONDS)
        return KnockPass(name, due)
