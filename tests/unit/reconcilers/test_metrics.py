"""What is counted of jobs follows from what was stored, and from nothing else."""

from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from bwvisu.adapters.etcd import Store
from bwvisu.adapters.records import Keys
from bwvisu.domain.job import JobStatus, SlurmView
from bwvisu.domain.lifecycle import Event, Outcome, Phase
from bwvisu.domain.observation import NotStarted, Refused, SlurmState, SubmitResult, Submitted, Unknown
from bwvisu.planning import words
from bwvisu.planning.progress import advance, finish
from bwvisu.reconcilers.metrics import JobMetrics, resolution, word
from tests.unit.planning.build import NOW, spec, submitting
from tests.unit.reconcilers.term import Clock, FakeSlurm, Term

SLURM = SlurmView(job_id=7, state="PENDING")


class Counts:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = JobMetrics(self.registry)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"cluster": "main", **labels})

    def spent(self, state: str) -> float | None:
        return self.value("bwvisu_job_state_seconds_sum", state=state)


@pytest.fixture
def counts() -> Counts:
    return Counts()


def test_the_time_in_each_state_is_that_between_its_moments(counts: Counts) -> None:
    of, wanted = counts.metrics.of("main"), spec()
    born = JobStatus(phase=Phase.SUBMITTING, attempt=1)
    queued = advance(born, Event.SUBMITTED, at=wanted.created_at + timedelta(seconds=2))
    started = advance(queued, Event.STARTED, at=wanted.created_at + timedelta(seconds=12))
    ready = advance(started, Event.READY, at=wanted.created_at + timedelta(seconds=15))
    for before, after in ((born, queued), (queued, started), (started, ready)):
        of.stored(wanted, before, after, answered=True)
    assert [counts.spent(state) for state in ("accepted", "submitted", "running")] == [2, 10, 3]
    assert counts.spent("available") is None
    assert counts.value("bwvisu_job_queue_seconds_sum") == 10
    assert counts.value("bwvisu_job_available_seconds_sum") == 15


def test_a_job_becomes_available_once_however_often_its_services_flap(counts: Counts) -> None:
    of, wanted = counts.metrics.of("main"), spec()
    running = JobStatus(phase=Phase.RUNNING)
    ready = advance(running, Event.READY, at=NOW)
    away = advance(ready, Event.UNREADY, at=NOW + timedelta(seconds=5))
    again = advance(away, Event.READY, at=NOW + timedelta(seconds=6))
    for before, after in ((running, ready), (ready, away), (away, again)):
        of.stored(wanted, before, after, answered=False)
    assert counts.value("bwvisu_job_available_seconds_count") == 1
    assert counts.spent("available") == 5


def test_one_write_may_pass_through_several_states_and_a_clock_may_run_back(counts: Counts) -> None:
    wanted = spec()
    queued = JobStatus(phase=Phase.SUBMITTING)
    over = finish(
        advance(queued, Event.SUBMITTED, Event.STARTED, at=wanted.created_at - timedelta(seconds=5)),
        Outcome.COMPLETED,
        words.STOPPING,
        at=wanted.created_at,
    )
    counts.metrics.of("main").stored(wanted, queued, over, answered=False)
    assert [counts.spent(state) for state in ("accepted", "submitted", "running")] == [0, 0, 5]
    assert counts.value("bwvisu_jobs_finished_total", outcome="completed") == 1
    assert counts.value("bwvisu_jobs_finished_total", outcome="lost") == 0, "what never happened is told as 0"


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (submitting(), None),
        (advance(submitting(), Event.SUBMITTED, at=NOW).model_copy(update={"slurm": SLURM}), "adopted"),
        (submitting(attempt=2), "absent"),
        (finish(submitting(), Outcome.LOST, words.NEVER_SUBMITTED, at=NOW), "ended"),
    ],
)
def test_what_a_submission_in_doubt_comes_to(after: JobStatus, found: str | None) -> None:
    assert resolution(submitting(), after) == found
    assert resolution(JobStatus(), after) is None, "nothing was in doubt"


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (Submitted(7), "submitted"),
        (Refused("no"), "refused"),
        (NotStarted("away"), "not-started"),
        (Unknown("cut"), "unknown"),
    ],
)
def test_results_have_a_word_each(result: SubmitResult, said: str) -> None:
    assert word(result) == said


async def test_a_lost_answer_is_counted_as_unknown_and_then_as_adopted(
    store: Store, keys: Keys, counts: Counts
) -> None:
    slurm = FakeSlurm(Clock())

    def lost(submission: object) -> SubmitResult:
        slurm.take(submission)  # type: ignore[arg-type] # as the double has it
        return Unknown("the connection was lost")

    slurm.answer = lost
    async with Term(store, keys, slurm, watching=counts.metrics.of("main")) as term:
        await term.ask()
        await term.turn()
        assert counts.value("bwvisu_submissions_total", result="unknown") == 1
        await term.watch(3)
        assert term.phase() is Phase.QUEUED
        slurm.slurm.change(1, 0.0, SlurmState.RUNNING)
        await term.turn()
    assert counts.value("bwvisu_submissions_resolved_total", result="adopted") == 1
    assert counts.value("bwvisu_submissions_total", result="submitted") == 0
    assert counts.value("bwvisu_job_queue_seconds_count") == 1


async def test_a_clear_answer_resolves_no_doubt(store: Store, keys: Keys, counts: Counts) -> None:
    async with Term(store, keys, FakeSlurm(Clock()), watching=counts.metrics.of("main")) as term:
        await term.ask()
        await term.turn()
        assert term.phase() is Phase.QUEUED
    assert counts.value("bwvisu_submissions_total", result="submitted") == 1
    for result in ("adopted", "absent", "ended"):
        assert counts.value("bwvisu_submissions_resolved_total", result=result) == 0
