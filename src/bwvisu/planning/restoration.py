"""What an older state of the store does not know: whether Slurm was given a job since.  Pure.

Where the store was restored from a backup, a job that was new then may run by now: to submit it, as its record says,
could be to submit it a second time.
"""

from datetime import datetime

from bwvisu.domain.job import JobStatus
from bwvisu.domain.lifecycle import Event, Phase
from bwvisu.planning import words
from bwvisu.planning.progress import advance


def doubted(status: JobStatus, now: datetime) -> JobStatus | None:
    """The status after a restore; None: it stands, since Slurm itself tells of the job by its number.

    A submission of an unknown time is in doubt: it is adopted where Slurm shows it by its name, and never made again,
    since no look can prove that it was never there.
    """
    match status.phase:
        case Phase.NEW:
            begun = advance(status, Event.INTENT, at=now)
            attempt = status.attempt + 1
        case Phase.SUBMITTING:
            begun, attempt = status, status.attempt
        case _:
            return None
    unknown = {"attempt": attempt, "intent_at": None, "intent_clock": None, "reason": words.SUBMISSION_UNKNOWN}
    return begun.model_copy(update=unknown)
