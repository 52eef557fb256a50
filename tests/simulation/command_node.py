"""A command node: Slurm's commands, sudo's rules, and the texts that production runs there."""

import asyncio
import hashlib
from collections.abc import Sequence
from functools import partial

from bwvisu.adapters.slurm import account, extend, look
from bwvisu.adapters.slurm.submission import READ_WITHIN, WRAPPER
from bwvisu.adapters.ssh.command import KILL_AFTER
from tests.simulation import command_time
from tests.simulation import slurm_words as words
from tests.simulation.host import Host, Stdin, Streams
from tests.simulation.slurm import SimSlurm
from tests.simulation.slurm_job import Job, RefusedError, Request
from tests.simulation.slurm_options import UsageError, read
from tests.simulation.slurm_rpc import NoAnswerError, ask
from tests.simulation.weather import for_ever

LENGTH_CHECK = 'if [ "$(printf %s "$script" | sha256sum)" != "$digest  -" ]; then echo "INCOMPLETE $digest"; exit; fi\n'
"""`make mutants` takes this line away; without it a script that arrived in part is submitted as it is."""
_KILL_ERRORS = {
    words.UNKNOWN_ID: 1,
    "Job/step already completing or completed": 1,
    "Access/permission denied": 210,
    words.SOCKET_TIMEOUT: 140,
    words.CONNECT_FAILURE: 8,
}
"""scancel's exit status by slurmctld's words (measured)."""


class SimCommandNode(Host):
    """Its programs run as whoever sudo made of them, in the machine's own process."""

    def __init__(self, name: str, slurm: SimSlurm) -> None:
        super().__init__(name)
        self.slurm = slurm
        self.programs |= {
            "sbatch": self._sbatch,
            "squeue": self._squeue,
            "scontrol": self._scontrol,
            "sacct": self._sacct,
            "scancel": self._scancel,
        }
        self.learn(WRAPPER, self._wrapper, digest=LENGTH_CHECK)
        self.learn(look.SCRIPT, self._look)
        self.learn(account.SCRIPT, self._account)
        self.learn(extend.SCRIPT, partial(command_time.text, self.execute))

    def may_act_as(self, user: str) -> str:
        """In sudo's own words (1.9.13)."""
        known = self.slurm.users.get(user)
        if user in self.slurm.operators - {"root"} or (known is not None and known.allowed):
            return ""
        if known is None and user != "root":
            return f"sudo: unknown user {user}\nsudo: error initializing audit plugin sudoers_audit\n"
        return "sudo: a password is required\n"

    # ---- production's texts -----------------------------------------------------------------------------------

    async def _wrapper(self, args: Sequence[str], streams: Streams, *, without: str = "") -> int:
        size, digest, seconds, *command = args
        streams.say(f"\nREADY {digest}\n")
        script = await _head(streams.stdin, int(size))
        if without != "digest" and hashlib.sha256(script).hexdigest() != digest:
            streams.say(f"INCOMPLETE {digest}\n")
            return 0
        piped = Stdin()
        piped.feed(script)
        piped.close()
        inner = Streams(piped, streams.stdout, streams.stderr, streams.user)
        status = await self.execute(["timeout", "-k", str(KILL_AFTER), seconds, *command], inner)
        streams.say(f"\nEND {digest} rc={status}\n")
        return 0

    async def _look(self, args: Sequence[str], streams: Streams) -> int:
        """squeue is run, and its rows are printed only afterwards."""
        line, newline, _ = (await streams.stdin.read()).decode().partition("\n")
        if not newline:
            return 1
        began = asyncio.get_running_loop().time()
        streams.say(f"\n{line} BEGIN {self.slurm.now()}\n")
        caught = bytearray()
        inner = Streams(Stdin(), caught.extend, streams.stderr, streams.user, {"mark": line})
        status = await self.execute([*args, "squeue", *_LOOK_OPTIONS], inner)
        rows = bytes(caught)
        hidden = await self._hidden(streams) if status == 0 else ""
        if self.slurm.weather.strikes("slurm.squeue-truncated"):
            streams.stdout(self._cut(rows, line))
            return 0
        end = f"|{line}".encode()
        count = sum(row.endswith(end) for row in rows.split(b"\n"))
        streams.stdout(rows)
        streams.say(f"{line} END rc={status} n={count} hidden={hidden}\n")
        if status == 0 and (not rows or rows.endswith(end + b"\n")) and "jobs" not in hidden:
            self.slurm.on_looked(line, began)
        return 0

    def _cut(self, rows: bytes, mark: str) -> bytes:
        """Whole rows, but not all of them: nothing but the missing end tells."""
        whole = rows.split(f"|{mark}\n".encode())[:-1]
        kept = whole[: int(self.slurm.weather.between(0, len(whole)))]
        return b"".join(row + f"|{mark}\n".encode() for row in kept)

    async def _hidden(self, streams: Streams) -> str:
        caught = bytearray()
        inner = Streams(Stdin(), caught.extend, streams.stderr, streams.user)
        await self._scontrol(("show", "config"), inner)
        lines = [line for line in caught.decode().splitlines() if line.startswith("PrivateData ")]
        return lines[0].partition("=")[2].strip() if lines else ""

    async def _account(self, args: Sequence[str], streams: Streams) -> int:
        if self.slurm.weather.strikes("slurm.accounts-hang"):
            await for_ever()
        (name,) = args
        user = self.slurm.users.get(name)
        entry = f"{name}:x:{user.uid}:{user.uid}::{user.home}:/bin/bash\n" if user else ""
        groups = " ".join((name, *user.groups)) + "\n" if user else ""
        if user is None:
            streams.complain(f"id: '{name}': no such user\n")
        streams.say(f"\nbwvisu-account\n{entry}bwvisu-passwd rc={0 if user else 2}\n{groups}bwvisu-groups\n")
        return 0

    # ---- Slurm's commands -------------------------------------------------------------------------------------

    async def _sbatch(self, args: Sequence[str], streams: Streams) -> int:
        script = await streams.stdin.read()
        try:
            request = read(args, script, streams.user)
        except UsageError as error:
            streams.complain(error.words)
            return error.status
        self.slurm.on_asked(request.name)
        status = None
        try:
            status = await self._submit(request, streams)
            return status
        finally:
            self.slurm.on_told(request.name, status)

    async def _submit(self, request: Request, streams: Streams) -> int:
        weather = self.slurm.weather
        await self._work()
        if weather.strikes("slurm.sbatch-slow"):
            streams.complain("sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n")
            await asyncio.sleep(weather.between(1.0, 120.0))
        try:
            job = await ask(self.slurm, partial(self.slurm.submit, request))
        except (RefusedError, NoAnswerError) as error:
            if str(error) == "Invalid partition name specified":
                streams.complain(f"sbatch: error: invalid partition specified: {request.partition}\n")
            streams.complain(f"sbatch: error: Batch job submission failed: {error}\n")
            return 1
        streams.say(f"{job.job_id}\n")
        return 0

    async def _squeue(self, args: Sequence[str], streams: Streams) -> int:
        await self._work()
        if args[-1] == command_time.FORMAT:
            return await command_time.squeue(self.slurm, args, streams)
        if tuple(args) != _LOOK_OPTIONS:
            raise AssertionError(f"the double's squeue does not know these options: {args}")
        weather = self.slurm.weather
        if weather.strikes("slurm.squeue-empty"):
            streams.complain("slurm_load_jobs error: Zero Bytes were transmitted or received\n")
            return 1
        try:
            rows = await ask(self.slurm, partial(self._rows, streams.user, streams.environ.get("mark", "")))
        except NoAnswerError as error:
            streams.complain(f"slurm_load_jobs error: {error}\n")
            return 1
        if weather.strikes("slurm.squeue-garbage"):
            rows.insert(int(weather.between(0, len(rows))), b"squeue: error: \xff\xfe|||")
        streams.stdout(b"".join(row + b"\n" for row in rows))
        return 0

    def _rows(self, user: str, mark: str) -> list[bytes]:
        slurm = self.slurm
        shown = (words.squeue_row(slurm, job) + mark for job in slurm.seen_by(user))
        return [row.encode(errors="surrogateescape") for row in shown]

    async def _scontrol(self, args: Sequence[str], streams: Streams) -> int:
        await self._work()
        if tuple(args) == ("show", "config"):
            return await self._show_config(streams)
        if tuple(args) == ("--all", "--oneliner", "show", "partition"):
            return await self._show_partitions(streams)
        if args[0] == "update":
            return await command_time.update(self.slurm, args[1:], streams)
        job_id = int(args[-1])
        try:
            text = await ask(self.slurm, partial(self._record, job_id, streams.user), attempts=2)
        except (RefusedError, NoAnswerError) as error:
            streams.complain(f"slurm_load_jobs error: {error}\n")
            return 1
        streams.stdout(text.encode(errors="surrogateescape"))
        return 0

    async def _show_config(self, streams: Streams) -> int:
        if self.slurm.weather.strikes("slurm.config-fails"):
            streams.complain(f"slurm_load_ctl_conf error: {words.SOCKET_TIMEOUT}\n")
            return 1
        try:
            text = await ask(self.slurm, partial(words.config, self.slurm))
        except NoAnswerError as error:
            streams.complain(f"slurm_load_ctl_conf error: {error}\n")
            return 1
        streams.say(text)
        return 0

    async def _show_partitions(self, streams: Streams) -> int:
        try:
            text = await ask(self.slurm, words.partitions)
        except NoAnswerError as error:
            streams.complain(f"slurm_load_partitions error: {error}\n")
            return 1
        streams.say(text)
        return 0

    def _record(self, job_id: int, user: str) -> str:
        """A hidden job is one that slurmctld does not know (measured)."""
        for job in self.slurm.seen_by(user):
            if job.job_id == job_id:
                return words.record(self.slurm, job)
        raise RefusedError(words.UNKNOWN_ID)

    async def _sacct(self, args: Sequence[str], streams: Streams) -> int:
        await self._work()
        database = self.slurm.accounting
        if not database.on:
            streams.complain("Slurm accounting storage is disabled\n")
            return 1
        if database.away:
            streams.complain("sacct: error: Problem talking to the database: Connection refused\n")
            return 1
        (wanted,) = (arg.removeprefix("--jobs=") for arg in args if arg.startswith("--jobs="))
        row: Job | None = database.rows.get(int(wanted))
        hidden = "jobs" in self.slurm.private_data and streams.user not in self.slurm.operators
        if row is not None and not (hidden and row.user != streams.user):
            streams.say(words.sacct_row(self.slurm, row))
        return 0

    async def _scancel(self, args: Sequence[str], streams: Streams) -> int:
        """Filters are applied by scancel itself, to what it was shown; then it asks for the kill."""
        *options, wanted = args
        named = dict(option.removeprefix("--").partition("=")[::2] for option in options)
        job_id = int(wanted)
        await self._work()
        try:
            shown = await ask(self.slurm, partial(self.slurm.seen_by, streams.user), attempts=2)
        except NoAnswerError as error:
            streams.complain(f"slurm_load_jobs error: {error}\n")
            return 1
        verdict = _filter(shown, job_id, named["name"], named["user"])
        if verdict is None:
            return await self._kill(job_id, streams)
        status, unknown = verdict
        streams.complain(unknown)
        filters = f"job_name={named['name']} user_name={named['user']} "
        streams.complain(f"scancel: error: No active jobs match ALL job filters, including: {filters}\n")
        return status

    async def _kill(self, job_id: int, streams: Streams) -> int:
        streams.complain(f"scancel: Terminating job {job_id}\n")
        try:
            await ask(self.slurm, partial(self.slurm.cancel, job_id, streams.user))
        except (RefusedError, NoAnswerError) as error:
            streams.complain(f"scancel: error: Kill job error on job id {job_id}: {error}\n")
            return _KILL_ERRORS[str(error)]
        return 0

    async def _work(self) -> None:
        """A command takes its time."""
        await asyncio.sleep(self.slurm.weather.between(0.002, 0.2))


_LOOK_OPTIONS = ("--noheader", "--all", "--local", "--states=all")


def _filter(shown: Sequence[Job], job_id: int, name: str, user: str) -> tuple[int, str] | None:
    """None: cancel it.  Else exit status and complaint; ended and completing jobs are none (measured)."""
    jobs = [job for job in shown if job.job_id == job_id and job.state in {"PENDING", "CONFIGURING", "RUNNING"}]
    if not jobs:
        return 1, f"scancel: error: Kill job error on job id {job_id}: {words.UNKNOWN_ID}\n"
    return None if jobs[0].name == name and jobs[0].user == user else (0, "")


async def _head(stdin: Stdin, size: int) -> bytes:
    """``timeout 10 head -c SIZE``: what has come by then."""
    try:
        async with asyncio.timeout(READ_WITHIN):
            return await stdin.read(size)
    except TimeoutError:
        return await _arrived(stdin, size)


async def _arrived(stdin: Stdin, size: int) -> bytes:
    stdin.close()
    return await stdin.read(size)
