"""How fast accepted jobs come to Slurm.

500 jobs are posted, 32 at a time, to a whole service on the sandbox cluster; the clock stops when the event stream has
shown every job's Slurm id.  The floor: the very scripts that Slurm was given then, piped into bare ``sudo sbatch`` with
the same options, 8 at a time over one multiplexed SSH connection to the same command node, by the same SSH library.

Once with jobs that start at once, so that Slurm's launching of them takes the machine; once with jobs that are held
(``#SBATCH --hold``), so that only the way to Slurm is measured.
"""

import asyncio
import time
from collections.abc import Sequence

import asyncssh

from bwvisu.adapters.shell import quote
from bwvisu.adapters.slurm.submission import Submission, sbatch
from bwvisu.cli.local import LocalService
from bwvisu.sandbox import Sandbox
from tests.bench.service import USERS, Jobs, frontend, service_on_a_cluster
from tests.bench.table import Goal, Result, Row, Say
from tests.support.traffic import queue
from tests.support.waiting import eventually, until

JOBS = 500
AT_ONCE = 8
GOAL = Goal("at least", 1.0)


async def measure(say: Say) -> Result:
    """Both kinds of jobs, each through the service and bare."""
    rows = []
    with service_on_a_cluster(say, "api", "keyhole", "reconciler") as service:
        async with frontend(service) as jobs:
            await jobs.end([await _warm(jobs, number) for number in range(len(USERS))])
            for kind, options in (("that start at once", ""), ("that are held", "hold")):
                measured, ids = await _through_the_service(jobs, options)
                say(f"{JOBS} jobs {kind}: {measured:.1f}/s through the service")
                numbers = [jobs.known[each]["slurm"]["job_id"] for each in ids]
                scripts = await asyncio.to_thread(_scripts, service.box, numbers)
                await _clear(service.box)
                await jobs.reach(ids, "finished", 300)
                floor = await _bare(service, scripts)
                await _clear(service.box)
                say(f"{JOBS} jobs {kind}: {floor:.1f}/s bare")
                rows.append(Row(f"submit jobs {kind}", measured, "jobs/s", floor, "bare sbatch, 8 at a time", GOAL))
    return Result(rows)


async def _warm(jobs: Jobs, number: int) -> str:
    """Connections are open and the person is known to the leader."""
    job = await jobs.post(number, "command", line="sleep 1000")
    await jobs.reach([job], "available", 120)
    return job


async def _through_the_service(jobs: Jobs, options: str) -> tuple[float, list[str]]:
    """Jobs per second, and which they were."""
    began = time.perf_counter()
    ids = await jobs.post_many(JOBS, "command", line="sleep 1000", minutes=60, options=options)
    await eventually(lambda: all(each in jobs.submitted for each in ids), 600)
    return JOBS / (max(jobs.submitted[each] for each in ids) - began), ids


def _scripts(box: Sandbox, numbers: Sequence[int]) -> list[bytes]:
    """What Slurm holds, by its numbers."""
    mark = "bwvisu-bench-next-script"
    line = f'for number; do scontrol write batch_script "$number" - || exit; printf "{mark}"; done'
    shown = box.run("ctl", ["/bin/sh", "-c", line, "sh", *map(str, numbers)], timeout=300)
    assert shown.returncode == 0, shown.stderr
    return [each.encode() for each in shown.stdout.split(mark)[:-1]]


async def _bare(service: LocalService, scripts: Sequence[bytes]) -> float:
    """Jobs per second without us."""
    box = service.box
    node = service.settings["clusters"]["main"]["command_nodes"][0]
    files = {"client_keys": [str(box.key_file)], "known_hosts": str(box.known_hosts)}
    async with asyncssh.connect(node["host"], username=node["user"], config=None, agent_path=None, **files) as line:
        left = list(enumerate(scripts))
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(_submit_while_any(line, left))
        return len(scripts) / (time.perf_counter() - began)


async def _clear(box: Sandbox) -> None:
    """Have Slurm end everything, and wait for it."""
    for user in USERS:
        assert box.run("ctl", ["scancel", f"--user={user}"]).returncode == 0
    await asyncio.to_thread(until, lambda: not queue(box), 300, "nothing is left")


async def _submit_while_any(line: asyncssh.SSHClientConnection, left: list[tuple[int, bytes]]) -> None:
    while left:
        number, script = left.pop()
        user = USERS[number % len(USERS)]
        home = f"/home/{user}"
        argv = sbatch(Submission(user, home, f"bare-{number}", f"{home}/bare-%j.out", script))
        done = await _run(line, quote(argv), script)
        assert int(done.stdout or 0) > 0, done.stderr


async def _run(line: asyncssh.SSHClientConnection, text: str, stdin: bytes) -> asyncssh.SSHCompletedProcess:
    """sshd frees the places of ended sessions late, and refuses further ones for a moment."""
    while True:
        try:
            return await line.run(text, input=stdin, encoding=None)
        except asyncssh.ChannelOpenError:
            continue
