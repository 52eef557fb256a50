"""All jobs of a cluster at one moment, by one squeue.

**Complete or nothing.**  The remote text prints a line before and a line after squeue's rows; the last one carries
squeue's exit code and the number of rows.  A look counts only when both lines are there and all of it agrees.

**Nobody can forge a row.**  A job's name may hold anything, ``|`` and newlines included, so a user could name a job
like a whole row of somebody else's.  Each look therefore draws a random mark that ends every row, and that no name can
hold because all names are older.  It comes over stdin and goes to squeue by environment, so that ``ps`` never shows it.
Within a row, all that users choose (the name) comes last.
"""

import re
from collections.abc import Iterator

from bwvisu.adapters.shell import posix_script
from bwvisu.adapters.slurm import fields
from bwvisu.adapters.slurm.hostlist import expand
from bwvisu.adapters.ssh import Command
from bwvisu.domain.observation import CouldNotLook, Look, Observation, SlurmJob, SlurmState, StateGroup

FIELDS = (
    *("JobID", "UserName", "State", "RestartCnt", "exit_code", "Partition"),
    *("SubmitTime", "StartTime", "EndTime", "TimeLimit", "NodeList", "Reason", "Name"),
)
"""``:0`` after each means its whole text, without padding (22.05)."""
SCRIPT = """\
read -r mark || exit
LC_ALL=C; SLURM_TIME_FORMAT=%s; SQUEUE_FORMAT2="{format}:0|$mark"
export LC_ALL SLURM_TIME_FORMAT SQUEUE_FORMAT2
unset SLURM_CLUSTERS SLURM_DEBUG_FLAGS SQUEUE_ACCOUNT SQUEUE_ARRAY SQUEUE_FORMAT SQUEUE_LICENSES SQUEUE_NAMES \
SQUEUE_PARTITION SQUEUE_PRIORITY SQUEUE_QOS SQUEUE_SIBLING SQUEUE_SORT SQUEUE_STATES SQUEUE_USERS
printf '\\n%s BEGIN %s\\n' "$mark" "$(date +%s)"
rows=$("$@" squeue --noheader --all --local --states=all)
status=$?
if [ $status = 0 ]; then hidden=$(scontrol show config | sed -n 's/^PrivateData *= *//p'); fi
if [ -n "$rows" ]; then printf '%s\\n' "$rows"; fi
printf '%s END rc=%s n=%s hidden=%s\\n' "$mark" "$status" "$(printf '%s\\n' "$rows" | grep -c "|$mark\\$")" "$hidden"
""".replace("{format}", ":0|,".join(FIELDS))
"""``sh``; ``$@`` is what goes before squeue (sudo, or nothing).  ``--all``: without it jobs in partitions that the
middleware may not use stay hidden."""

_CLOCK = re.compile(r"\d{1,12}", re.ASCII)
_CLOSING = re.compile(r"rc=(\d+) n=(\d+) hidden=([\w,]*)\n", re.ASCII)


def command(mark: str, timeout: float, look_as: str | None) -> Command:
    """One look, within ``timeout`` seconds; ``mark`` is drawn anew each time."""
    prefix = ("sudo", "-n", "-u", look_as) if look_as else ()
    return Command(posix_script(SCRIPT, *prefix), timeout, stdin=f"{mark}\n".encode())


def parse(output: bytes, mark: str, prefix: str, *, sees_all: bool, began_at: float, ended_at: float) -> Observation:
    """The look that ``output`` shows; `CouldNotLook` for anything less.  Never raises.

    ``sees_all``: the rows are complete even where the site hides jobs from ordinary users.
    """
    try:
        clock, jobs = _read(output.decode(errors="replace"), mark, prefix, sees_all=sees_all)
    except ValueError as error:
        return CouldNotLook(str(error), ended_at)
    return Look(jobs, began_at, ended_at, clock)


def _read(text: str, mark: str, prefix: str, *, sees_all: bool) -> tuple[int, dict[int, SlurmJob]]:
    clock, rows, hidden = _frame(text, mark)
    if "jobs" in hidden and not sees_all:
        raise ValueError("the site hides other users' jobs (PrivateData)")
    jobs = list(_ours(rows, prefix))
    by_id = {job.job_id: job for job in jobs}
    if len(by_id) != len(jobs):
        raise ValueError("a job is listed twice")
    return clock, by_id


def _frame(text: str, mark: str) -> tuple[int, list[str], frozenset[str]]:
    """The command node's clock, the rows, and what the site hides."""
    _, began, rest = f"\n{text}".partition(f"\n{mark} BEGIN ")
    clock, _, rest = rest.partition("\n")
    rest, ended, closing = f"\n{rest}".rpartition(f"\n{mark} END ")
    end = _CLOSING.fullmatch(closing)
    if not (began and ended and end and _CLOCK.fullmatch(clock)):
        raise ValueError("the answer is cut off")
    if end[1] != "0":
        raise ValueError(f"squeue ended with {end[1]}")
    if not end[3]:
        raise ValueError("scontrol did not say what the site hides")
    *rows, rest = f"{rest[1:]}\n".split(f"|{mark}\n")
    if rest not in {"", "\n"} or len(rows) != int(end[2]):
        raise ValueError("the number of rows is wrong")
    return int(clock), rows, frozenset(end[3].lower().split(","))


def _ours(rows: list[str], prefix: str) -> Iterator[SlurmJob]:
    """Rows whose job name begins with ``prefix``.  Foreign rows are not judged, but for their
    beginning: a warning of squeue in front of a row of ours would make it look foreign."""
    for row in rows:
        cells = row.split("|", len(FIELDS) - 1)
        if not cells[0].isdecimal():
            raise ValueError("something else is among the rows")
        if cells[-1].startswith(prefix):
            yield _job(cells)


def _job(cells: list[str]) -> SlurmJob:
    if len(cells) != len(FIELDS):
        raise ValueError("a row has too few fields")
    number, user, state_word, restarts, exit_word, partition, submit, start, end, limit, nodes, reason, name = cells
    state = SlurmState.parse(state_word)
    hosts = expand(nodes)
    ran = bool(hosts) and state.group is not StateGroup.PENDING
    if (
        not re.fullmatch(r"[1-9]\d{0,14}", number, re.ASCII)
        or not user
        or not re.fullmatch(r"\d{1,9}", restarts, re.ASCII)
    ):
        raise ValueError("a row has no job id, no user or no restart count")
    return SlurmJob(
        job_id=int(number),
        name=name,
        user=user,
        state=state,
        reason=reason,
        nodes=hosts if state.group is not StateGroup.PENDING else (),
        partition=partition,
        submitted_at=fields.epoch(submit),
        started_at=fields.epoch(start) if ran else None,
        expected_start_at=fields.epoch(start) if state.group is StateGroup.PENDING else None,
        ends_at=fields.epoch(end) if state.group is not StateGroup.PENDING else None,
        time_limit=fields.seconds(limit),
        restarts=int(restarts),
        exit_status=fields.exit_status(exit_word) if state.is_terminal else None,
    )
