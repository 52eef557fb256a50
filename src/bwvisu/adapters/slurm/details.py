"""How one job ended: what slurmctld still knows of it, then the accounting database.

No field that a user can fill is read: not the name, not the comment.
"""

import re

from bwvisu.adapters.slurm import fields
from bwvisu.adapters.slurm.hostlist import expand
from bwvisu.adapters.ssh import Command, Completed, Outcome
from bwvisu.domain.observation import (
    CouldNotLook,
    Details,
    Final,
    ProvenAbsent,
    SlurmState,
    StillThere,
)

_UNKNOWN_ID = "Invalid job id specified"
_SACCT_FIELDS = ("JobIDRaw", "User", "State", "ExitCode", "Submit", "Start", "End", "NodeList", "Reason")


def scontrol(job_id: int, timeout: float) -> Command:
    """Ask slurmctld about one job."""
    return Command(("env", *fields.ENVIRONMENT, "scontrol", "--oneliner", "show", "job", str(job_id)), timeout)


def parse_scontrol(outcome: Outcome, job_id: int, at: float) -> Details | None:
    """None: slurmctld answered and does not know the id (any more).  Never raises."""
    if not isinstance(outcome, Completed):
        return CouldNotLook(outcome.reason, at)
    if outcome.exit_status == 1 and _UNKNOWN_ID in outcome.stderr.decode(errors="replace"):
        return None
    if outcome.exit_status != 0:
        return CouldNotLook(f"scontrol ended with {outcome.exit_status}", at)
    try:
        return _read_record(outcome.stdout.decode(errors="replace"), job_id)
    except ValueError as error:
        return CouldNotLook(str(error), at)


def _read_record(text: str, job_id: int) -> Details:
    begin = re.search(rf"^JobId={job_id} ", text, re.MULTILINE)
    if begin is None:
        raise ValueError("scontrol did not show the job")
    record = _whole(text[begin.start() :])
    user = re.fullmatch(r"([^()]+)\(\d+\)", _value(record, "UserId"))
    if user is None:
        raise ValueError("scontrol showed no owner")
    return _details(
        user=user[1],
        state=_value(record, "JobState"),
        exit_word=_value(record, "ExitCode"),
        submit=_value(record, "SubmitTime"),
        start=_value(record, "StartTime"),
        end=_value(record, "EndTime"),
        nodes=_value(record, "NodeList"),
        reason=_value(record, "Reason"),
    )


def _whole(text: str) -> str:
    """Both commands end all that they print with a line feed: a last line without one was cut off."""
    if text and not text.endswith("\n"):
        raise ValueError("the answer is cut off")
    return text


def _value(record: str, key: str) -> str:
    """The key's value.  A key that comes twice was smuggled in by a name or a path: nothing of it is believed."""
    values = re.findall(rf"(?:^|\s){key}=(\S*)", record)
    if len(values) != 1:
        raise ValueError(f"scontrol showed {key} {len(values)} times")
    return str(values[0])


def sacct(job_id: int, timeout: float) -> Command:
    """Ask the accounting database about one job (its latest run under this id)."""
    options = ("--allocations", "--noheader", "--parsable2", f"--jobs={job_id}", f"--format={','.join(_SACCT_FIELDS)}")
    return Command(("env", *fields.ENVIRONMENT, "sacct", *options), timeout)


def parse_sacct(outcome: Outcome, job_id: int, at: float) -> Details:
    """`ProvenAbsent` only where the database answered without a word of complaint.  Never raises."""
    if not isinstance(outcome, Completed):
        return CouldNotLook(outcome.reason, at)
    if outcome.exit_status != 0:
        return CouldNotLook(
            f"sacct ended with {outcome.exit_status}: {outcome.stderr[:200].decode(errors='replace')}", at
        )
    try:
        rows = [line.split("|") for line in _whole(outcome.stdout.decode(errors="replace")).splitlines()]
        rows = [row for row in rows if row[0] == str(job_id)]
        if not rows:
            return CouldNotLook("sacct complained", at) if outcome.stderr.strip() else ProvenAbsent()
        (row,) = rows
        _, user, state, exit_word, submit, start, end, nodes, reason = row
        found = _details(
            user=user,
            state=state.partition(" ")[0],  # "CANCELLED by 1000"
            exit_word=exit_word,
            submit=submit,
            start=start,
            end=end,
            nodes=nodes,
            reason=reason,
        )
    except ValueError as error:
        return CouldNotLook(f"sacct's row cannot be read: {error}", at)
    if isinstance(found, StillThere):
        # slurmctld has just denied it; such a row may stay so for ever (`sacctmgr show runawayjobs`).
        return CouldNotLook(f"sacct still shows it as {found.state.value}", at)
    return found


def _details(
    *, user: str, state: str, exit_word: str, submit: str, start: str, end: str, nodes: str, reason: str
) -> Details:
    found = SlurmState.parse(state)
    if not found.is_terminal:
        return StillThere(found, user, fields.epoch(submit))
    hosts = expand(nodes)
    return Final(
        state=found,
        reason=reason,
        exit_status=fields.exit_status(exit_word),
        started_at=fields.epoch(start) if hosts else None,
        ended_at=fields.epoch(end),
        nodes=hosts,
        user=user,
        submitted_at=fields.epoch(submit),
    )
