"""Having Slurm take a script, at most once.

The wrapper on the command node takes the whole script into memory and checks its length and digest before anything
happens, so a connection that dies half-way submits nothing and no file is left.  It stops reading after
`READ_WITHIN`: bytes that a cut-off network delivers minutes later must not submit what the leader has given up.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bwvisu.adapters.shell import posix_script
from bwvisu.adapters.slurm.sudo import sudo_refusal
from bwvisu.adapters.ssh import Completed, Conversation, Outcome
from bwvisu.adapters.ssh.command import KILL_AFTER, LATENESS, TIMED_OUT
from bwvisu.domain.observation import NotStarted, Refused, SubmitResult, Submitted, Unknown

READY_WITHIN = 4.0
"""Seconds for a command node to start the wrapper; then the next one is tried."""
READ_WITHIN = 10
"""Seconds that the wrapper waits for the script."""
WRAPPER = f"""\
LC_ALL=C; export LC_ALL
bytes=$1 digest=$2 seconds=$3; shift 3
printf '\\nREADY %s\\n' "$digest"
script=$(timeout {READ_WITHIN} head -c "$bytes"; echo .)
script=${{script%.}}
if [ "$(printf %s "$script" | sha256sum)" != "$digest  -" ]; then echo "INCOMPLETE $digest"; exit; fi
printf %s "$script" | timeout -k {KILL_AFTER} "$seconds" "$@"
printf '\\nEND %s rc=%s\\n' "$digest" $?
"""
"""``sh``; the dot keeps the script's trailing newlines, which a command substitution would take away."""

_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,255}")
_OPTION = re.compile(r"--[a-z][a-z-]*(=[^\0\n]*)?")


@dataclass(frozen=True, slots=True)
class Submission:
    """One attempt to have Slurm take a script.

    Raises ValueError for what cannot be said to sudo, sbatch and a shell without being mistaken for something else.
    """

    user: str
    home: str
    job_name: str
    output: str
    """`sbatch --output`, e.g. ``/home/alice/bwvisu-%j.log``."""
    script: bytes = field(repr=False)
    options: Sequence[str] = ()
    """Further sbatch options, ``--name=value`` only."""

    def __post_init__(self) -> None:
        if not _USER.fullmatch(self.user):
            raise ValueError(f"not the name of an account: {self.user!r}")
        if not self.home.startswith("/") or not self.output.startswith("/"):
            raise ValueError("home and output are absolute paths")
        if not all(_OPTION.fullmatch(option) for option in self.options):
            raise ValueError(f"not sbatch options: {self.options!r}")
        if not self.script.startswith(b"#!") or b"\0" in self.script:
            raise ValueError("a batch script begins with #! and holds no NUL")


def sbatch(submission: Submission) -> tuple[str, ...]:
    """The argv that submits what it reads, as the user.

    ``--export=NONE`` keeps sudo's and our environment out of the job; without ``--chdir`` it would start in the
    middleware's home, which its user cannot enter.
    """
    return (
        *("sudo", "-n", "-u", submission.user),
        *("sbatch", "--parsable", "--no-requeue", "--export=NONE"),
        f"--chdir={submission.home}",
        f"--job-name={submission.job_name}",
        f"--output={submission.output}",
        *submission.options,
    )


def digest(script: bytes) -> str:
    """What the wrapper compares; it also makes its lines unmistakable."""
    return hashlib.sha256(script).hexdigest()


def conversation(submission: Submission, timeout: float) -> Conversation:
    """What is said to a command node; sbatch may take ``timeout`` seconds there."""
    checksum = digest(submission.script)
    arguments = (str(len(submission.script)), checksum, f"{timeout:g}", *sbatch(submission))
    return Conversation(
        posix_script(WRAPPER, *arguments),
        ready=f"READY {checksum}".encode(),
        stdin=submission.script,
        deadline=settles_within(timeout) + LATENESS,
        ready_within=READY_WITHIN,
    )


def settles_within(timeout: float) -> float:
    """Seconds after the script was sent until its sbatch is surely no more."""
    return READ_WITHIN + timeout + KILL_AFTER


def parse(outcome: Outcome, checksum: str) -> SubmitResult:
    """What the wrapper's answer means."""
    if not isinstance(outcome, Completed):
        return outcome
    stdout = outcome.stdout.decode(errors="replace")
    stderr = outcome.stderr.decode(errors="replace")
    _, _, said = stdout.rpartition(f"READY {checksum}\n")
    if said.endswith(f"INCOMPLETE {checksum}\n"):
        return NotStarted("the script did not arrive whole")
    end = re.search(rf"\nEND {checksum} rc=(\d{{1,3}})\n\Z", said, re.ASCII)
    if end is None:
        return Unknown(f"no closing line: {_words(stdout + stderr)}")
    return _judge(int(end[1]), said[: end.start()], stderr)


def _judge(status: int, said: str, stderr: str) -> SubmitResult:
    if status == 0:
        accepted = re.fullmatch(r"\s*(\d{1,15})(?:;([\w.-]+))?\s*", said, re.ASCII)
        return Submitted(int(accepted[1]), accepted[2]) if accepted else Unknown(f"no job id: {_words(said)}")
    if status in _NEVER_RAN or _NO_SBATCH.search(stderr):
        return NotStarted(f"sbatch cannot be run there: {_words(stderr)}", retryable=False)
    if status == 1 and (refusal := sudo_refusal(stderr)) is not None:
        return refusal
    if (status == 1 and _KNOWN_NO.search(stderr)) or (status == 255 and _BAD_OPTION.search(stderr)):
        return Refused(_words(stderr))
    end = "did not end in time" if status in TIMED_OUT else f"ended with {status}"
    return Unknown(f"sbatch {end}: {_words(stderr)}")


def _words(text: str) -> str:
    """What a person needs to read of it."""
    lines = (re.sub(r"^(sbatch: )?(error: )?(Batch job submission failed: )?", "", line) for line in text.splitlines())
    return "; ".join(line.strip() for line in lines if line.strip())[:500]


_NEVER_RAN = frozenset({125, 126, 127})
"""`timeout`'s own failures: it could not run, could not execute, or did not find sudo."""
_NO_SBATCH = re.compile(r"^sudo: sbatch: command not found$", re.MULTILINE)
_BAD_OPTION = re.compile(r"^sbatch: (?!.*submission failed)", re.MULTILINE)
"""sbatch ends with 255 only while it reads its options, before it talks to slurmctld."""

_REFUSALS = (
    "Access denied to requested reservation",
    "Access/permission denied",
    "Invalid account or account/partition combination specified",
    "Invalid feature specification",
    "Invalid generic resource (gres) specification",
    "Invalid job array specification",
    "Invalid license specification",
    "Invalid node name specified",
    "Invalid partition name specified",
    "Invalid qos specification",
    "Invalid Trackable RESource (TRES) specification",
    "Invalid user id",
    "Invalid wckey specification",
    "Job dependency problem",
    "Job size specification needs to be provided",
    "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
    "Memory required by task is not available",
    "More processors requested than permitted",
    "Node count specification invalid",
    "Pathname of a file, directory or other parameter too long",
    "Requested node configuration is not available",
    "Requested nodes not in this partition",
    "Requested partition configuration not available now",
    "Requested reservation is invalid",
    "Requested time limit is invalid (missing or exceeds some limit)",
    "Required partition not available (inactive or drain)",
    "User's group not permitted to use this partition",
)
"""slurmctld's own words for a no (slurm_errno.c).  Whatever is not here may hide a job: "Socket timed out", "Unable to
contact slurm controller" and their like were seen both with and without one."""
_CLIENT_REFUSALS = (
    "This does not look like a batch script",
    "Batch script is empty!",
    "Batch script is only whitespace!",
    "Batch script contains DOS line breaks (\\r\\n)",
    "Invalid generic resource (gres) specification",
)
"""sbatch's own, before it talks to anyone."""
_KNOWN_NO = re.compile(
    rf"^(?:sbatch: error: Batch job submission failed: (?:{'|'.join(map(re.escape, _REFUSALS))})"
    rf"|sbatch: error: (?:{'|'.join(map(re.escape, _CLIENT_REFUSALS))}))\s*$",
    re.MULTILINE,
)
