"""Machines that are logged in to: the login first, then sessions side by side with everything else."""

import asyncio
from collections.abc import Awaitable, Callable

from bwvisu.adapters.slurm import SlurmCluster
from bwvisu.adapters.ssh import Node, SshSettings, Wire
from bwvisu.adapters.ssh.capacity import sessions_at_once
from bwvisu.doctor import command_node, gateway, login
from bwvisu.doctor.findings import Finding, Verdict
from bwvisu.doctor.trial import Trial

Rest = Callable[[], Awaitable[list[Finding]]]


async def _entered(wire: Wire, node: Node, ssh: SshSettings, rest: Rest) -> list[Finding]:
    """Where nobody gets in, nothing else is tried."""
    entry = await login.enter(wire, node, ssh)
    if entry.verdict is not Verdict.OK:
        return [entry]
    (opened, why), others = await asyncio.gather(sessions_at_once(node, ssh), rest())
    return [entry, login.judge_sessions(opened, why, ssh.sessions), *others]


async def command(
    wire: Wire, node: Node, ssh: SshSettings, slurm: SlurmCluster, asked: command_node.Asked
) -> list[Finding]:
    """A command node; ``slurm`` asks this one alone."""
    return await _entered(wire, node, ssh, lambda: command_node.examine(wire, node, slurm, asked))


async def gate(wire: Wire, node: Node, ssh: SshSettings, asked: gateway.Asked, trial: Trial) -> list[Finding]:
    """A gateway; what the look leaves there is removed."""

    async def rest() -> list[Finding]:
        try:
            return await gateway.examine(wire, node, asked, trial)
        finally:
            await trial.clean()

    return await _entered(wire, node, ssh, rest)
