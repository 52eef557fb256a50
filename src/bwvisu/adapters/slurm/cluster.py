"""One Slurm cluster, reached through any of its command nodes."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bwvisu.adapters.slurm import account, cancel, config, details, extend, look, partitions
from bwvisu.adapters.slurm import submission as submitting
from bwvisu.adapters.slurm.submission import Submission
from bwvisu.adapters.ssh import Command, Node, Outcome, Wire
from bwvisu.adapters.ssh.command import TIMED_OUT
from bwvisu.domain.observation import (
    CancelResult,
    ConfigResult,
    CouldNotLook,
    Details,
    ExtendResult,
    NotStarted,
    Observation,
    PartitionsResult,
    SubmitResult,
    Unknown,
    UserResult,
)


@dataclass(frozen=True, slots=True)
class SlurmSettings:
    """Deadlines in seconds."""

    name_prefix: str = "bwv"
    """A look keeps jobs whose name begins so."""
    submit_timeout: float = 25.0
    """What sbatch may take on the command node."""
    look_timeout: float = 20.0
    """squeue itself gives up after 10 s (slurmctld hangs) to 28 s (its host is away)."""
    call_timeout: float = 15.0
    look_as: str | None = None
    """Look by sudo as this user, who sees all jobs (for sites with ``PrivateData=jobs``).  sudo must keep the
    environment: ``Defaults!/usr/bin/squeue env_keep += "SLURM_TIME_FORMAT SQUEUE_FORMAT2"``."""
    extend_as: str | None = "slurm"
    """Change run times by sudo as this user, an operator of Slurm; None: the middleware's account is one."""
    sees_all: bool = False
    """The middleware's account is a Slurm operator: it sees all jobs whatever ``PrivateData`` says."""


class SlurmCluster:
    """Calls never raise for what Slurm, a host or a network does."""

    def __init__(
        self,
        wire: Wire,
        command_nodes: Sequence[Node],
        settings: SlurmSettings,
        clock: Callable[[], float] = time.monotonic,
        mark: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._wire = wire
        self._nodes = tuple(command_nodes)
        self._settings = settings
        self._clock = clock
        self._mark = mark

    async def submit(self, submission: Submission) -> SubmitResult:
        """Submit once.  The next command node is tried only while surely nothing was submitted."""
        result: SubmitResult = NotStarted("no command node is configured", retryable=False)
        checksum = submitting.digest(submission.script)
        talk = submitting.conversation(submission, self._settings.submit_timeout)
        for node in self._by_health():
            result = submitting.parse(await self._wire.converse(node, talk), checksum)
            if not isinstance(result, NotStarted):
                break
        return result

    @property
    def settles_within(self) -> float:
        """Seconds after `submit` was called until whatever it began is surely over, though the caller has died."""
        ready = submitting.READY_WITHIN * len(self._nodes)
        return ready + submitting.settles_within(self._settings.submit_timeout)

    async def look(self) -> Observation:
        """All jobs of the prefix, whatever their state and whoever's they are."""
        mark, settings = self._mark(), self._settings
        began, outcome = await self._ask_at(look.command(mark, settings.look_timeout, settings.look_as))
        ended = self._clock()
        if isinstance(outcome, NotStarted | Unknown):
            return CouldNotLook(outcome.reason, ended)
        if outcome.exit_status in TIMED_OUT:
            return CouldNotLook(f"squeue did not end within {settings.look_timeout:g} s", ended)
        sees_all = settings.sees_all or settings.look_as is not None
        seen = look.parse(outcome.stdout, mark, settings.name_prefix, sees_all=sees_all, began_at=began, ended_at=ended)
        if isinstance(seen, CouldNotLook) and outcome.stderr:
            return CouldNotLook(f"{seen.reason}: {outcome.stderr[-300:].decode(errors='replace').strip()}", ended)
        return seen

    async def details(self, job_id: int) -> Details:
        """How one job ended that no look shows any more."""
        timeout = self._settings.call_timeout
        known = details.parse_scontrol(await self._ask(details.scontrol(job_id, timeout)), job_id, self._clock())
        if known is not None:
            return known
        return details.parse_sacct(await self._ask(details.sacct(job_id, timeout)), job_id, self._clock())

    async def cancel(self, job_id: int, user: str, name: str) -> CancelResult:
        """Cancel this job and no other: id, name and user must all match."""
        outcome = await self._ask(cancel.command(job_id, user, name, self._settings.call_timeout))
        return cancel.parse(outcome, job_id)

    async def extend(self, job_id: int, user: str, name: str, minutes: int) -> ExtendResult:
        """Give this job and no other another time limit: it must have this name and owner."""
        settings = self._settings
        told = extend.command(
            job_id, user, name, minutes, settings.call_timeout, run_as=settings.extend_as, look_as=settings.look_as
        )
        return extend.parse(await self._ask(told))

    async def user(self, name: str, but: str = "") -> UserResult:
        """The account on the command nodes; asked of another one than ``but`` where another is well."""
        node, _, outcome = await self._ask_one(account.command(name, self._settings.call_timeout), but)
        return account.parse(outcome, name, self._clock(), node)

    async def config(self) -> ConfigResult:
        """What `scontrol show config` says."""
        return config.parse(await self._ask(config.command(self._settings.call_timeout)), self._clock())

    async def partitions(self) -> PartitionsResult:
        """What `scontrol show partition` says."""
        return partitions.parse(await self._ask(partitions.command(self._settings.call_timeout)), self._clock())

    async def _ask(self, command: Command) -> Outcome:
        """Run it on the healthiest node; on the next one where it surely was not started."""
        _, outcome = await self._ask_at(command)
        return outcome

    async def _ask_at(self, command: Command) -> tuple[float, Outcome]:
        """Like `_ask`; before the answer, when the node that gave it was turned to."""
        _, began, outcome = await self._ask_one(command)
        return began, outcome

    async def _ask_one(self, command: Command, but: str = "") -> tuple[str, float, Outcome]:
        """Like `_ask_at`; before that, which node it was: ``but`` only where no other is well."""
        asked, began = "", self._clock()
        outcome: Outcome = NotStarted("no command node is configured", retryable=False)
        for node in self._by_health(but):
            asked, began, outcome = str(node), self._clock(), await self._wire.run(node, command)
            if not isinstance(outcome, NotStarted):
                break
        return asked, began, outcome

    def _by_health(self, but: str = "") -> list[Node]:
        """Command nodes that are well first; the others may meanwhile show that they are well again."""
        unwell = [node for node in self._nodes if self._wire.failing(node)]
        for node in unwell:
            self._wire.warm(node)
        return sorted(self._nodes, key=lambda node: (node in unwell, str(node) == but))
