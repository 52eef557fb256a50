"""Test jobs: one that is submitted, watched until it has told what it sees, and cancelled, whatever happens."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from shlex import quote

from bwvisu.adapters.slurm import SlurmCluster, Submission, details
from bwvisu.adapters.ssh import Completed, Node, Wire
from bwvisu.doctor import batch
from bwvisu.doctor.batch import Config, Seen
from bwvisu.doctor.findings import ROOT, Finding, fault, ok, unknown
from bwvisu.domain.observation import (
    Account,
    Cancelled,
    CouldNotLook,
    Final,
    Look,
    NothingToCancel,
    Refused,
    StateGroup,
    StillThere,
    SubmitResult,
    Submitted,
    Unknown,
)

_EVERY = 0.5
"""Seconds between two looks at it."""
_SILENT = 60.0
"""Seconds for which a job that runs may say nothing: three addresses that do not answer take half a minute."""
_CALL = 15.0
_UNANSWERED = "it may have been taken or not: "


@dataclass(frozen=True, slots=True)
class Told:
    """What a test job told, and when by our clock."""

    seen: Seen
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Bench:
    """Where test jobs are made."""

    wire: Wire
    node: Node
    """The command node that is asked about them."""
    slurm: SlurmCluster
    """With `batch.NAME_PREFIX`; asks this node alone."""
    account: Account
    patience: float
    """Seconds that a job may wait for its start."""
    clock: Callable[[], float] = time.time

    @asynccontextmanager
    async def run(self, config: Config, on: str | None) -> AsyncIterator[tuple[Told | None, list[Finding]]]:
        """A job ``on`` a node, or anywhere, that runs for as long as the block; it is cancelled behind it.

        Findings: how it went; the last one, whether it was taken away again, is added when the block ends.
        """
        name = f"{batch.NAME_PREFIX}-{secrets.token_hex(6)}"
        found: list[Finding] = []
        numbers: list[int] = []
        try:
            told = await self._until_told(self._submission(name, config, on), len(config.urls), numbers, found)
            yield told, found
        finally:
            found.append(await self._take_away(name, numbers, found))

    async def _until_told(
        self, submission: Submission, urls: int, numbers: list[int], found: list[Finding]
    ) -> Told | None:
        """``numbers`` gets Slurm's number of the job, ``found`` what became of it."""
        began = self.clock()
        result = await self._submit(submission, numbers)
        if not isinstance(result, Submitted):
            found.append(_not_taken(result, self.account.name))
            return None
        seen = await self._watch(result.slurm_job_id, urls)
        if isinstance(seen, Finding):
            found.append(seen)
            return None
        found.append(ok("job", f"{result.slurm_job_id} ran on {seen.node} as {self.account.name}"))
        return Told(seen, began, self.clock())

    async def _submit(self, submission: Submission, numbers: list[int]) -> SubmitResult:
        """To the end, also where somebody has lost patience: what is taken away must be there by then."""
        task = asyncio.ensure_future(self.slurm.submit(submission))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise
        finally:
            if task.done() and isinstance(result := task.result(), Submitted):
                numbers.append(result.slurm_job_id)

    def _submission(self, name: str, config: Config, on: str | None) -> Submission:
        options = ["--time=6", "--ntasks=1", *([f"--nodelist={on}"] if on else [])]
        home = self.account.home
        return Submission(self.account.name, home, name, f"{home}/{batch.LOG}", batch.script(config), options)

    async def _watch(self, job: int, urls: int) -> Seen | Finding:
        """Until the job has told; else what became of it."""
        begun, running = self.clock(), 0.0
        while True:
            outcome = await self.wire.run(self.node, details.scontrol(job, _CALL))
            state = details.parse_scontrol(outcome, job, 0.0)
            record = outcome.stdout.decode(errors="replace") if isinstance(outcome, Completed) else ""
            now = self.clock()
            try:
                seen = batch.read(record, urls)
            except ValueError as error:
                return unknown("job", str(error))
            if seen is not None:
                return seen
            if isinstance(state, Final):
                return _ended(job, state, self.account)
            if isinstance(state, StillThere) and state.state.group is StateGroup.ACTIVE:
                running = running or now
                if now - running > _SILENT:
                    return unknown("job", f"{job} runs and tells nothing: is scontrol there in a job?")
            elif now - begun > self.patience:
                return unknown("job", _still_waiting(job, state, record, self.patience))
            await asyncio.sleep(_EVERY)

    async def _take_away(self, name: str, numbers: Sequence[int], found: Sequence[Finding]) -> Finding:
        """Cancel every job of this name: by what Slurm shows, since a submission without an answer may be one.

        Where it shows nothing (a site may hide jobs: one of the faults that are looked for), by the number.
        """
        look, user = await self.slurm.look(), self.account.name
        seen = [job for job in look.named(name) if not job.state.is_terminal] if isinstance(look, Look) else None
        alive = [(number, user) for number in numbers] if seen is None else [(job.job_id, job.user) for job in seen]
        for number, owner in alive:
            result = await self.slurm.cancel(number, owner, name)
            if not isinstance(result, Cancelled | NothingToCancel):
                return _left(name, result.message if isinstance(result, Refused) else result.reason, user)
        if not alive and any(one.check == "job" and one.detail.startswith(_UNANSWERED) for one in found):
            if isinstance(look, CouldNotLook):
                return _left(name, look.reason, user)
            return unknown("cancel", f"the submission had no answer, and a job named {name} may still come")
        return ok("cancel", "nothing is left of the test job")


def _left(name: str, why: str, user: str) -> Finding:
    line = f"scancel --user={user} --name={name}   # it ends by itself after {batch.LIFETIME} s of running"
    return fault("cancel", f"the test job may still be there: {why}", ROOT, line)


def _not_taken(result: SubmitResult, user: str) -> Finding:
    if isinstance(result, Refused):
        if result.code == "rejected-by-slurm":
            return fault("job", f"Slurm refuses it: {result.message}", ROOT, "sinfo; scontrol show partition")
        return fault("job", result.message, ROOT, f"id {user}   # and see the command nodes' check `user`")
    assert not isinstance(result, Submitted)  # noqa: S101 - the caller has seen to it
    return unknown("job", f"{_UNANSWERED if isinstance(result, Unknown) else ''}{result.reason}")


def _ended(job: int, state: Final, account: Account) -> Finding:
    node = ",".join(state.nodes) or "its node"
    detail = f"{job} ended on {node} as {state.state} ({state.reason}) before it could tell anything"
    if "LaunchFail" in state.reason or "LAUNCH" in state.state:
        make = f"install -d -m 700 -o {account.uid} -g {account.gid} {quote(account.home)}"
        line = f"{make}   # on compute nodes, or mount it"
        return fault("job", f"{detail}: is {account.home} there?", ROOT, line)
    return fault("job", detail, ROOT, f"journalctl -u slurmd   # on {node}")


def _still_waiting(job: int, state: object, record: str, patience: float) -> str:
    if isinstance(state, CouldNotLook):
        return f"{job} could not be seen: {state.reason}"
    reason = re.search(r"\bReason=(\S+)", record)
    return f"{job} did not start within {patience:g} s ({reason[1] if reason else 'no reason'}); see --wait"
