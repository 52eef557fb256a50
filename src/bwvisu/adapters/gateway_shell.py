"""How the keyhole's leader talks to gateways: its fixed texts over the SSH wire."""

from collections.abc import Mapping, Sequence

from bwvisu.adapters.ssh import Command, Completed, Node, Wire
from bwvisu.domain.observation import NotStarted
from keyhole.interfaces import Answer, NoAnswer


class SshGatewayShell:
    """`keyhole.interfaces.GatewayShell` over a pool of connections."""

    def __init__(self, wire: Wire, nodes: Mapping[str, Node]) -> None:
        self._wire = wire
        self._nodes = nodes

    async def run(
        self, gateway: str, script: str, args: Sequence[str], stdin: bytes, seconds: float
    ) -> Answer | NoAnswer:
        """Run ``/bin/sh -c script sh args...`` there."""
        command = Command(["/bin/sh", "-c", script, "sh", *args], deadline=seconds, stdin=stdin)
        outcome = await self._wire.run(self._nodes[gateway], command)
        if isinstance(outcome, Completed):
            return Answer(outcome.exit_status, outcome.stdout, outcome.stderr)
        return NoAnswer(outcome.reason, tried=not isinstance(outcome, NotStarted) or outcome.tried)
