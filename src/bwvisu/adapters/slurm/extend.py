"""Another time limit for one job and no other.

Slurm lets an owner lower a limit; only its operators raise that of a running job (22.05, measured).  ``scontrol
update`` knows a job by its number alone, and Slurm may begin to count anew: so the text first has squeue say whose job
that number is, by what name.
"""

import re

from bwvisu.adapters.shell import posix_script
from bwvisu.adapters.slurm.sudo import sudo_refusal
from bwvisu.adapters.ssh import Command, Completed, Outcome
from bwvisu.domain.observation import ExtendResult, NotStarted, Refused, TimeSet, Unknown

SCRIPT = """\
LC_ALL=C; export LC_ALL
unset SLURM_CLUSTERS SLURM_DEBUG_FLAGS SQUEUE_ACCOUNT SQUEUE_ARRAY SQUEUE_FORMAT SQUEUE_FORMAT2 SQUEUE_LICENSES \
SQUEUE_NAMES SQUEUE_PARTITION SQUEUE_PRIORITY SQUEUE_QOS SQUEUE_SIBLING SQUEUE_SORT SQUEUE_STATES SQUEUE_USERS
look_as=$1 job=$2 whose=$3 minutes=$4; shift 4
shown=$(${look_as:+sudo -n -u "$look_as"} squeue --noheader --all --local --jobs="$job" --Format='UserName:0|,Name:0|')
status=$?
if [ "$shown" != "$whose" ]; then printf '\\nbwvisu-extend other rc=%s\\n' $status; exit; fi
"$@" scontrol update "JobId=$job" "TimeLimit=$minutes" >&2
printf '\\nbwvisu-extend told rc=%s\\n' $?
"""
"""``sh``; ``$@`` is what goes before scontrol (sudo, or nothing)."""

_END = re.compile(r"\nbwvisu-extend (other|told) rc=(\d{1,3})\n\Z", re.ASCII)
_UNKNOWN_ID = "Invalid job id specified"
_KNOWN_NO = re.compile(
    r"^(?:Access/permission denied|Invalid (?:job id specified|user id)|Job has already finished"
    r"|Job violates accounting/QOS policy \(.*\)|Requested time limit is invalid \(.*\)) for job \d+$",
    re.MULTILINE,
)
"""slurmctld's own words (slurm_errno.c).  Whatever is not here may hide a change: ``Unexpected message received`` was
said of a slurmctld that was dead and of one that hung, and did it when it went on."""
_LATER = re.compile(r"^Job update not available right now", re.MULTILINE)
"""The accounting database has not numbered the job yet: nothing was done, and it will be possible."""
_GONE = Refused("The cluster's queue has no such job any more.", "not-extendable")


def command(
    job_id: int, user: str, name: str, minutes: int, timeout: float, *, run_as: str | None, look_as: str | None
) -> Command:
    """``scontrol update`` as ``run_as`` where the job of this number has this name and owner."""
    prefix = ("sudo", "-n", "-u", run_as) if run_as else ()
    arguments = (look_as or "", str(job_id), f"{user}|{name}|", str(minutes), *prefix)
    return Command(posix_script(SCRIPT, *arguments), timeout)


def parse(outcome: Outcome) -> ExtendResult:
    """What became of it.  Never raises."""
    if not isinstance(outcome, Completed):
        return outcome
    stderr = outcome.stderr.decode(errors="replace")
    end = _END.search(outcome.stdout.decode(errors="replace"))
    if end is None:
        return Unknown(f"no closing line: {_words(stderr)}")
    status = int(end[2])
    if end[1] == "other":
        return _GONE if status == 0 or _UNKNOWN_ID in stderr else NotStarted(f"squeue ended with {status}")
    return TimeSet() if status == 0 else _judge(status, stderr)


def _judge(status: int, stderr: str) -> ExtendResult:
    if sudo_refusal(stderr) is not None:
        return Refused(f"The site has not granted it ({_words(stderr)}).", "not-permitted")
    if _KNOWN_NO.search(stderr):
        return Refused(f"Slurm says: {_words(stderr)}")
    return NotStarted(_words(stderr)) if _LATER.search(stderr) else Unknown(f"it ended with {status}: {_words(stderr)}")


def _words(text: str) -> str:
    """What a person needs to read of it."""
    lines = (re.sub(r"^(?:scontrol: )?(?:error: )?| for job \d+$", "", line.strip()) for line in text.splitlines())
    return "; ".join(line for line in lines if line)[:300]
