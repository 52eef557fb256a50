"""Which mails are due, and when no more."""

from datetime import timedelta

import pytest

from bwvisu.domain.job import JobSpec, JobStatus, Moment, Notice, SlurmView
from bwvisu.domain.lifecycle import Outcome, Phase
from bwvisu.planning.notices import due
from tests.unit.planning.build import NOW, ago, spec

ALL = tuple(Notice)


def wanting(*notices: Notice, stopped: bool = False) -> JobSpec:
    return spec(stopped=stopped).model_copy(update={"notify": notices})


def running(phase: Phase, *, left: float, of: float = 3600) -> JobStatus:
    ends = NOW + timedelta(seconds=left)
    slurm = SlurmView(job_id=1, state="RUNNING", started_at=ends - timedelta(seconds=of), ends_at=ends)
    return JobStatus(phase=phase, slurm=slurm)


def ended(outcome: Outcome, since: float) -> JobStatus:
    moment = Moment(state=Phase.FINISHED.state, at=ago(since))
    return JobStatus(phase=Phase.FINISHED, outcome=outcome, timeline=(moment,))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (JobStatus(), []),
        (JobStatus(phase=Phase.READY), ["available"]),
        (running(Phase.RUNNING, left=1800), []),
        (running(Phase.RUNNING, left=600), ["ending"]),
        (running(Phase.READY, left=1), ["available", "ending"]),
        (running(Phase.READY, left=-1), ["available"]),  # it is over, Slurm has only not said so yet
        (running(Phase.READY, left=500, of=900), ["available"]),  # a short job is not told so at its beginning
        (running(Phase.ENDING, left=500), []),
        (ended(Outcome.FAILED, 5), ["failed"]),
        (ended(Outcome.TIMEOUT, 5), ["failed"]),
        (ended(Outcome.FAILED, 3601), []),  # no news any more
        (ended(Outcome.COMPLETED, 5), []),
        (ended(Outcome.CANCELLED, 5), []),
    ],
)
def test_what_is_so_and_is_news_is_due(status: JobStatus, expected: list[str]) -> None:
    assert [notice.value for notice in due(wanting(*ALL), status, (), NOW)] == expected


def test_nothing_is_due_twice_or_unasked() -> None:
    status = running(Phase.READY, left=60)
    assert list(due(wanting(*ALL), status, {Notice.AVAILABLE}, NOW)) == [Notice.ENDING]
    assert list(due(wanting(Notice.FAILED), status, (), NOW)) == []
    assert list(due(wanting(), status, (), NOW)) == []


def test_who_stops_a_job_is_not_told_that_it_is_ready_or_ends() -> None:
    assert list(due(wanting(*ALL, stopped=True), running(Phase.READY, left=60), (), NOW)) == []
