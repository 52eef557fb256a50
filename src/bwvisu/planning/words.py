"""Slurm's words, and ours, as sentences for a scientist."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from bwvisu.domain.cluster import ClusterUser
from bwvisu.domain.job import JobSpec, JobStatus, Reason
from bwvisu.domain.lifecycle import Outcome
from bwvisu.domain.observation import ExitStatus, SlurmState

WAITING: Mapping[str, str] = MappingProxyType(
    {
        "Priority": "Other jobs are ahead of it in the queue.",
        "Resources": "It is next in line and waits for free resources.",
        "BeginTime": "It may start only at a later time.",
        "JobHeldUser": "It is held by its owner.",
        "JobHeldAdmin": "It is held by an administrator.",
        "Dependency": "It waits for another job.",
        "DependencyNeverSatisfied": "It waits for a job that will never end as required; it will never start.",
        "PartitionDown": "Its partition is closed; it starts when an administrator opens it.",
        "PartitionInactive": "Its partition is not active; it starts when an administrator activates it.",
        "PartitionTimeLimit": "It asks for more time than its partition allows; as it is, it will never start.",
        "PartitionNodeLimit": "It asks for more nodes than its partition allows; as it is, it will never start.",
        "PartitionConfig": "It asks for more than its partition offers; as it is, it will never start.",
        "ReqNodeNotAvail": "A node that it needs is not available now.",
        "AssocGrpCpuLimit": "Its group uses all the CPUs that it may use at once.",
        "QOSMaxJobsPerUserLimit": "Its owner runs as many jobs as the site allows at once.",
        "Licenses": "It waits for a licence.",
        "None": "Slurm has not looked at it yet.",
    }
)
"""Reasons of pending jobs (`JOB REASON CODES` in squeue(1))."""

OUTCOMES: Mapping[SlurmState, Outcome] = MappingProxyType(
    {
        SlurmState.COMPLETED: Outcome.COMPLETED,
        SlurmState.CANCELLED: Outcome.CANCELLED,
        SlurmState.PREEMPTED: Outcome.CANCELLED,
        SlurmState.REVOKED: Outcome.CANCELLED,
        SlurmState.TIMEOUT: Outcome.TIMEOUT,
        SlurmState.DEADLINE: Outcome.TIMEOUT,
        SlurmState.OUT_OF_MEMORY: Outcome.OUT_OF_MEMORY,
        SlurmState.NODE_FAIL: Outcome.NODE_FAILED,
        SlurmState.BOOT_FAIL: Outcome.NODE_FAILED,
    }
)
"""Every other terminal state is a failure."""

ENDINGS: Mapping[SlurmState, Reason] = MappingProxyType(
    {
        SlurmState.COMPLETED: Reason(code="completed", message="It ended by itself."),
        SlurmState.CANCELLED: Reason(code="cancelled-on-cluster", message="It was cancelled on the cluster, not here."),
        SlurmState.PREEMPTED: Reason(code="preempted", message="It had to make room for a more urgent job."),
        SlurmState.REVOKED: Reason(code="revoked", message="The federation runs it on another cluster."),
        SlurmState.TIMEOUT: Reason(code="time-limit", message="Its run time was over."),
        SlurmState.DEADLINE: Reason(code="deadline", message="Its deadline on the cluster has passed."),
        SlurmState.OUT_OF_MEMORY: Reason(code="out-of-memory", message="It needed more memory than it had asked for."),
        SlurmState.NODE_FAIL: Reason(code="node-failed", message="A node that it ran on has failed."),
        SlurmState.BOOT_FAIL: Reason(code="node-failed", message="A node that it was to run on did not start."),
    }
)
STOPPING = Reason(code="stopping", message="It was told to stop.")
SUBMISSION_UNKNOWN = Reason(
    code="submission-unknown",
    message="The cluster did not say whether it took the job; looking for it before anything else is done.",
)
NOT_WANTED = "not-wanted"
"""The keyhole's refusal of a job that is to end."""
NEVER_TAKEN = "Several submissions ended without a clear answer, and Slurm has none of them."
UNREACHABLE = Reason(
    code="cluster-unreachable", message="The cluster does not answer; the job is submitted as soon as it does."
)
USER_NOT_FOUND = Reason(
    code="user-not-found",
    message="The cluster does not find its owner's account; it is asked again before the job is given up.",
)
OWN_LIMIT = Reason(
    code="user-limit",
    message="Its owner has as many jobs there as are allowed at once; it is submitted when one of them ends.",
)
STARTING = Reason(code="starting", message="It runs; the application is not listening yet.")
NEVER_LISTENED = "never-listened"
UNANSWERED = Reason(code="not-answering", message="The application has stopped answering at one of its ports.")
MOVING = Reason(code="moving", message="It moves to another gateway; its address changes, the application runs on.")
NEVER_SUBMITTED = Reason(
    code="lost",
    message="The cluster did not answer whether it took the job, and it was too late to find out; "
    "it was not submitted twice.",
)
NO_RECORD = Reason(code="lost", message="It left the queue and the cluster has no record of how it ended.")
NO_ANSWER = Reason(code="lost", message="It left the queue and the cluster cannot say how it ended.")
_LAUNCH_FAILED = Reason(
    code="launch-failed", message="Slurm could not start it: is its home there, and may it write its log file?"
)
_CONDITION_FAILED = Reason(
    code="dependency-never-satisfied",
    message="It was cancelled on the cluster: the job that it waited for did not end as required.",
)
"""Slurm cancels such jobs where the site or the job says so (`kill_invalid_depend`), and leaves its reason."""
_NO_IO = 53
"""Not a signal, though Slurm shows it as one: its error 4021 ("could not connect IO") cut to seven bits."""


def waiting(slurm_reason: str) -> Reason:
    """Why a job is in the queue.  Slurm may add details: ``ReqNodeNotAvail, UnavailableNodes:node[1-2]``."""
    word = re.split("[,:( ]", slurm_reason, maxsplit=1)[0]
    return Reason(code=f"slurm:{word}", message=WAITING.get(word) or f"Slurm says: {slurm_reason[:200]}")


def cancelled(spec: JobSpec) -> Reason:
    """Somebody who may has stopped it here: its owner, the frontend that asked for it, or an administrator."""
    if spec.stopped_by in {spec.user, spec.created_by, spec.created_for, ""}:
        who = f"by {spec.stopped_by}" if spec.stopped_by else "on request"
        return Reason(code="cancelled-by-user", message=f"It was stopped {who}.")
    return Reason(code="cancelled-by-administrator", message=f"It was stopped by {spec.stopped_by}, not by its owner.")


def idle(spec: JobSpec) -> Reason:
    """Nobody used it, so it was stopped."""
    return Reason(
        code="idle", message=f"It was stopped because nobody had used it for {(spec.idle_stop or 0) // 60} minutes."
    )


def stopped(spec: JobSpec, status: JobStatus) -> Reason:
    """Why a job is stopped that is to be stopped."""
    return idle(spec) if status.idled else cancelled(spec)


def ended(state: SlurmState, slurm_reason: str, status: ExitStatus | None, stopped: Reason | None) -> Reason:
    """Why a job is over; ``stopped``: why it was to be, if it was."""
    if state is SlurmState.CANCELLED and stopped is not None:
        return stopped
    if state is SlurmState.CANCELLED and slurm_reason == "DependencyNeverSatisfied":
        return _CONDITION_FAILED
    return ENDINGS.get(state) or _failed(state, slurm_reason, status or ExitStatus(0, 0))


def _failed(state: SlurmState, slurm_reason: str, status: ExitStatus) -> Reason:
    """`JobLaunchFailure` is said of a start that failed and of a script that crashed alike."""
    if slurm_reason == "JobLaunchFailure" and status.signal in {0, _NO_IO}:
        return _LAUNCH_FAILED
    if status.signal:
        return Reason(code="killed-by-signal", message=f"It was ended by signal {status.signal}.")
    if status.code:
        return Reason(code="exit-code", message=f"Its script ended with exit code {status.code}.")
    said = state.value if slurm_reason in {"", "None"} else f"{state.value}, {slurm_reason[:200]}"
    return Reason(code=f"slurm:{state.value}", message=f"Slurm says: {said}")


def reported(exit_code: int) -> Reason:
    """Only its own client told how its script ended; a negative number is a signal's."""
    if exit_code < 0:
        return Reason(code="killed-by-signal", message=f"It was ended by signal {-exit_code}, as its client reported.")
    if exit_code:
        return Reason(code="exit-code", message=f"Its script reported exit code {exit_code} and is gone.")
    return ENDINGS[SlurmState.COMPLETED]


def not_listening(seconds: int) -> Reason:
    """It takes longer to start than its bundle says."""
    return Reason(
        code="not-listening",
        message=f"It has run for more than {seconds} s and does not listen; the end of its log may say why.",
    )


def never_listened(reason: Reason) -> Reason:
    """A script that ended by itself before its user could reach anything."""
    if reason.code not in {"completed", "exit-code"}:
        return reason
    return Reason(
        code=NEVER_LISTENED, message=f"{reason.message} It never listened at its ports: the end of its log may say why."
    )


def unreachable(why: str) -> Reason:
    """A submission reached no command node."""
    return UNREACHABLE.model_copy(update={"message": f"No command node could be reached ({why}); it is tried again."})


def in_doubt(last_words: str) -> Reason:
    """The cluster's answer to a submission was none, or not understood."""
    return Reason(code=SUBMISSION_UNKNOWN.code, message=f"{SUBMISSION_UNKNOWN.message} Its words: {last_words}")


def never_taken(last: Reason | None) -> Reason:
    """Slurm turned a job down again and again in words that are not a known refusal."""
    said = f" {last.message}" if last is not None else ""
    return Reason(code="never-taken", message=f"{NEVER_TAKEN}{said}")


def not_allowed(user: ClusterUser) -> Reason:
    """The account may not be used, or is none."""
    if user.exists:
        return Reason(code="user-not-allowed", message=user.refused)
    return Reason(code="unknown-user", message=f"The cluster knows no user {user.name!r}.")
