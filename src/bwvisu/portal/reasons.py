"""Why a job is where it is, in the reader's language.  Pure.

The API says it in English, with all details; its codes are stable, so other languages have their own sentence for each.
"""

from collections.abc import Callable, Mapping

from bwvisu.portal.documents import Job, Reason
from bwvisu.portal.texts import _

SENTENCES: Mapping[str, str] = {
    # why it waits
    "slurm:Priority": _("Other jobs are ahead of it in the queue."),
    "slurm:Resources": _("It is next in line and waits for free resources."),
    "slurm:BeginTime": _("It may start only at a later time."),
    "slurm:JobHeldUser": _("It is held by its owner."),
    "slurm:JobHeldAdmin": _("It is held by an administrator."),
    "slurm:Dependency": _("It waits for another job."),
    "slurm:DependencyNeverSatisfied": _("It waits for a job that will never end as required; it will never start."),
    "slurm:PartitionDown": _("Its partition is closed; it starts when an administrator opens it."),
    "slurm:PartitionInactive": _("Its partition is not active; it starts when an administrator activates it."),
    "slurm:PartitionTimeLimit": _("It asks for more time than its partition allows; as it is, it will never start."),
    "slurm:PartitionNodeLimit": _("It asks for more nodes than its partition allows; as it is, it will never start."),
    "slurm:PartitionConfig": _("It asks for more than its partition offers; as it is, it will never start."),
    "slurm:ReqNodeNotAvail": _("A node that it needs is not available now."),
    "slurm:AssocGrpCpuLimit": _("Its group uses all the CPUs that it may use at once."),
    "slurm:QOSMaxJobsPerUserLimit": _("Its owner runs as many jobs as the site allows at once."),
    "slurm:Licenses": _("It waits for a licence."),
    "slurm:None": _("Slurm has not looked at it yet."),
    "submission-unknown": _(
        "The cluster did not say whether it took the job; looking for it before anything else is done."
    ),
    "cluster-unreachable": _("The cluster does not answer; the job is submitted as soon as it does."),
    "user-not-found": _("The cluster does not find its owner's account; it is asked again before the job is given up."),
    "user-limit": _("Its owner has as many jobs there as are allowed at once; it is submitted when one of them ends."),
    "starting": _("It runs; the application is not listening yet."),
    "not-listening": _("It has run for long and does not listen yet; the end of its log may say why."),
    "not-answering": _("The application has stopped answering at one of its ports."),
    "moving": _("It moves to another gateway; its address changes, the application runs on."),
    "stopping": _("It was told to stop."),
    "unreadable-record": _("What was seen of this job cannot be read by this version."),
    # why it ended
    "idle": _("It was stopped because nobody used it."),
    "completed": _("It ended by itself."),
    "never-listened": _("It ended and never listened at its ports: the end of its log may say why."),
    "cancelled-by-user": _("It was stopped by its owner."),
    "cancelled-by-administrator": _("It was stopped by an administrator, not by its owner."),
    "cancelled-on-cluster": _("It was cancelled on the cluster, not here."),
    "dependency-never-satisfied": _("The job that it was to wait for did not end as it must; Slurm has cancelled it."),
    "preempted": _("It had to make room for a more urgent job."),
    "revoked": _("The federation runs it on another cluster."),
    "time-limit": _("Its run time was over."),
    "deadline": _("Its deadline on the cluster has passed."),
    "out-of-memory": _("It needed more memory than it had asked for."),
    "node-failed": _("A node that it ran on has failed."),
    "launch-failed": _("Slurm could not start it: is its home there, and may it write its log file?"),
    "killed-by-signal": _("It was ended by a signal."),
    "exit-code": _("Its script ended with exit code %(code)s."),
    "lost": _("The cluster has no record of how it ended."),
    # why it never began
    "never-taken": _("Several submissions ended without a clear answer, and Slurm has none of them."),
    "unknown-user": _("The cluster does not know this user name."),
    "user-not-allowed": _("This user may not run jobs."),
    "not-permitted": _("The cluster does not let bwVisu act for this user; an administrator must mend it."),
    "rejected-by-slurm": _("Slurm did not take it, in these words: %(words)s"),
    # why it got no more time
    "not-extendable": _("Its run time cannot be changed so."),
}
"""By code; some have places for the job's exit code and for the API's own words."""


def why(job: Job, reason: Reason | None, translate: Callable[[str], str] | None) -> str:
    """A sentence, empty without a reason; ``translate`` None: into English, which is what the API says."""
    if reason is None:
        return ""
    sentence = SENTENCES.get(reason.code)
    if translate is None or sentence is None:
        return reason.message
    code = "–" if job.exit_code is None else job.exit_code
    return translate(sentence) % {"code": code, "words": reason.message}
