"""A command node where a job is given another run time: production's text, ``squeue -j`` and ``scontrol update``."""

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from tests.simulation import slurm_words as words
from tests.simulation.host import Stdin, Streams
from tests.simulation.slurm import SimSlurm
from tests.simulation.slurm_job import RefusedError
from tests.simulation.slurm_rpc import NoAnswerError, ask

Execute = Callable[[Sequence[str], Streams], Awaitable[int]]
ONE = ("--noheader", "--all", "--local")
FORMAT = "--Format=UserName:0|,Name:0|"


async def text(execute: Execute, args: Sequence[str], streams: Streams) -> int:
    """`extend.SCRIPT`."""
    look_as, number, whose, minutes, *prefix = args
    shown = bytearray()
    inner = Streams(Stdin(), shown.extend, streams.stderr, streams.user)
    sudo = ("sudo", "-n", "-u", look_as) if look_as else ()
    status = await execute([*sudo, "squeue", *ONE, f"--jobs={number}", FORMAT], inner)
    if shown.decode(errors="surrogateescape").rstrip("\n") != whose:
        streams.say(f"\nbwvisu-extend other rc={status}\n")
        return 0
    inner = Streams(Stdin(), streams.stderr, streams.stderr, streams.user)
    status = await execute([*prefix, "scontrol", "update", f"JobId={number}", f"TimeLimit={minutes}"], inner)
    streams.say(f"\nbwvisu-extend told rc={status}\n")
    return 0


async def squeue(slurm: SimSlurm, args: Sequence[str], streams: Streams) -> int:
    """``squeue -j``: a job that waits, runs or completes; one that has ended is known and not shown (measured)."""
    number = int(args[len(ONE)].removeprefix("--jobs="))
    try:
        shown = await ask(slurm, partial(slurm.seen_by, streams.user))
    except NoAnswerError as error:
        streams.complain(f"slurm_load_jobs error: {error}\n")
        return 1
    found = [job for job in shown if job.job_id == number]
    if not found:
        streams.complain(f"slurm_load_jobs error: {words.UNKNOWN_ID}\n")
        return 1
    rows = [f"{slurm.owner(job)}|{job.name}|\n" for job in found if not job.over]
    streams.stdout("".join(rows).encode(errors="surrogateescape"))
    return 0


async def update(slurm: SimSlurm, args: Sequence[str], streams: Streams) -> int:
    """``scontrol update``; it says the same of a slurmctld that is dead and of one that hangs (measured)."""
    asked = re.fullmatch(r"JobId=(\d+) TimeLimit=(\d+)", " ".join(args))
    assert asked is not None, args
    number, minutes = int(asked[1]), int(asked[2])
    try:
        await ask(slurm, partial(slurm.set_time, number, streams.user, minutes * 60))
    except RefusedError as error:
        streams.complain(f"{error} for job {number}\n")
        return 1
    except NoAnswerError:
        streams.complain(f"Unexpected message received for job {number}\n")
        return 1
    return 0
