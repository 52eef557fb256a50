"""Steps 13 and 14 and the rule on strays: who is cancelled, who is told of, who is forgotten; faults 3, 8, 9, 35a."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bwvisu.domain.job import JobStatus, Moment
from bwvisu.domain.lifecycle import Outcome, Phase, State
from bwvisu.domain.observation import SlurmJob, SlurmState
from bwvisu.planning.plan import plan
from bwvisu.planning.snapshot import JobView, Memory
from bwvisu.planning.tracking import fold
from bwvisu.planning.verbs import Cancel, Forget
from tests.unit.planning.build import (
    ID,
    MONOTONIC,
    NOW,
    OTHER_ID,
    POLICY,
    known,
    look,
    name_of,
    row,
    snapshot,
    spec,
    submitting,
    verb,
    verbs,
)

OURS = Cancel(ID, 7, "alice", name_of())


def stopped(seen: SlurmJob) -> JobView:
    """A job that its owner wants ended, written down as the row shows it."""
    phase = Phase.QUEUED if seen.state is SlurmState.PENDING else Phase.READY
    wanted = JobView(spec(stopped=True), known(phase))
    return replace(wanted, status=fold(wanted, seen, NOW))


@pytest.mark.parametrize("state", [SlurmState.PENDING, SlurmState.RUNNING, SlurmState.UNRECOGNISED])
def test_a_stopped_job_is_cancelled(state: SlurmState) -> None:
    view = stopped(row(state))
    assert verb(view, look=look(row(state))) == OURS


def test_it_is_cancelled_whether_it_can_be_seen_or_not() -> None:
    assert verb(stopped(row(SlurmState.PENDING)), look=None) == OURS


@pytest.mark.parametrize(("waited", "again"), [(POLICY.repeat_after - 1, False), (POLICY.repeat_after, True)])
def test_until_it_is_seen_to_end_it_is_cancelled_again(waited: float, again: bool) -> None:
    seen = row(SlurmState.PENDING)
    memory = Memory(cancelled={7: MONOTONIC - waited})
    assert verb(stopped(seen), look=look(seen), memory=memory) == (OURS if again else None)


def test_a_job_that_hangs_in_completing_is_not_cancelled_again() -> None:
    seen = row(SlurmState.COMPLETING)
    assert verb(stopped(seen), look=look(seen)) is None


def test_a_stopped_job_whose_submission_is_unknown_is_resolved_first() -> None:
    planned = verbs(JobView(spec(stopped=True), submitting()))
    assert not any(isinstance(each, Cancel) for each in planned)


# ---- strays -----------------------------------------------------------------------------------------------------

OVER = JobStatus(
    phase=Phase.FINISHED, attempt=2, outcome=Outcome.LOST, timeline=(Moment(state=State.FINISHED, at=NOW),)
)


@pytest.mark.parametrize(
    ("status", "stray"),
    [
        (submitting(attempt=2), row(name=name_of(1))),
        (known(Phase.QUEUED, slurm_job_id=8, attempt=2), row(name=name_of(1))),
        (known(Phase.QUEUED, slurm_job_id=8), row(name=name_of(1))),
        (OVER, row(name=name_of(1))),
        (OVER, row(SlurmState.PENDING, name=name_of(2))),
        (JobStatus(attempt=2), row(name=name_of(1))),
    ],
    ids=["superseded", "superseded, known", "doubled", "of an ended job", "late, of an ended job", "of an unsent one"],
)
def test_a_stray_of_ours_is_cancelled(status: JobStatus, stray: SlurmJob) -> None:
    planned = verbs(JobView(spec(), status), look=look(stray))
    assert planned == (Cancel(ID, 7, "alice", stray.name, stray=True),)


@pytest.mark.parametrize("state", [SlurmState.COMPLETING, SlurmState.COMPLETED])
def test_a_stray_on_its_way_out_is_left_to_go(state: SlurmState) -> None:
    assert verbs(JobView(spec(), OVER), look=look(row(state))) == ()


def test_each_of_two_strays_is_cancelled() -> None:
    seen = look(row(name=name_of(1)), row(name=name_of(2), job_id=8))
    planned = verbs(JobView(spec(), OVER), look=seen, memory=Memory(cancelled={7: MONOTONIC - 1}))
    assert planned == (Cancel(ID, 8, "alice", name_of(2), stray=True),)


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "mallory"},
        {"name": name_of(attempt=9)},
        {"name": name_of(job_id=OTHER_ID)},
    ],
    ids=["another owner", "an attempt that never was", "an unknown job"],
)
def test_a_name_of_ours_that_is_not_ours_is_told_of_and_never_touched(fields: dict[str, Any]) -> None:
    found = plan(snapshot(JobView(spec(), OVER), look=look(row(**fields))))
    assert found.verbs == ()
    assert len(found.foreign) == 1


def test_jobs_of_another_installation_are_none_of_our_business() -> None:
    found = plan(snapshot(look=look(row(name=name_of(installation="other00")), row(name="bwv-whatever", job_id=8))))
    assert (found.verbs, found.foreign) == ((), ())


def test_the_slurm_job_of_a_record_that_cannot_be_read_is_neither_told_of_nor_touched() -> None:
    found = plan(snapshot(look=look(row()), set_aside=frozenset({ID})))
    assert (found.verbs, found.foreign) == ((), ())


def test_a_job_on_which_a_verb_is_at_work_is_left_alone() -> None:
    assert verbs(JobView(spec(), OVER), look=look(row()), busy=frozenset({ID})) == ()


# ---- oblivion ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "holds_ports", "forgotten"),
    [
        (timedelta(days=7), False, True),
        (timedelta(days=7, seconds=-1), False, False),
        (timedelta(days=70), True, False),
    ],
    ids=["its time has passed", "not yet", "it still holds ports"],
)
def test_a_record_is_forgotten_when_nothing_is_left(age: timedelta, holds_ports: bool, forgotten: bool) -> None:
    view = JobView(spec(), OVER, holds_ports=holds_ports)
    assert verb(view, now=NOW + age) == (Forget(ID) if forgotten else None)
