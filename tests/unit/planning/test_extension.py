"""Another run time: when Slurm is told, what counts as an answer, and what is refused without asking."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bwvisu.domain.job import Extension, ExtensionState, ExtensionStatus, JobStatus, Reason
from bwvisu.domain.lifecycle import Phase
from bwvisu.domain.observation import ExtendResult, NotStarted, Refused, SlurmState, TimeSet, Unknown
from bwvisu.planning.extension import TRIES, answer, closed, objection, standing
from bwvisu.planning.snapshot import JobView, Memory, Met, Told
from bwvisu.planning.verbs import Cancel, Extend, Inspect, Record, Verb
from tests.unit.planning.build import (
    ID,
    MONOTONIC,
    NOW,
    POLICY,
    ago,
    known,
    look,
    name_of,
    row,
    snapshot,
    spec,
    verb,
)

ALLOWED = replace(POLICY, longest=240)
HOUR = known(Phase.READY, time_limit=3600, started_at=ago(40))
PENDING, APPLIED, REFUSED = ExtensionState.PENDING, ExtensionState.APPLIED, ExtensionState.REFUSED


def job(status: JobStatus = HOUR, minutes: int = 120, *, number: int = 1, stopped: bool = False) -> JobView:
    """A job for which this time was asked."""
    wanted = Extension(number=number, minutes=minutes, asked_at=ago(1))
    return JobView(spec(stopped=stopped).model_copy(update={"extension": wanted}), status)


def intent(number: int = 1, status: JobStatus = HOUR) -> JobStatus:
    """Slurm may have been told."""
    return status.model_copy(update={"extension": ExtensionStatus(number=number, state=PENDING)})


def planned(view: JobView, *, limit: int | None = 3600, told: Told | None = None, **fields: Any) -> Verb | None:
    """With a look of a second ago that shows this time limit, and what this leader remembers."""
    met = {ID: Met(1, 7, MONOTONIC - 500, MONOTONIC - 500)}
    whole = {
        "policy": ALLOWED,
        "look": look(row(time_limit=limit, started_at=None)),
        "memory": Memory(met=met, told={} if told is None else {ID: told}),
    }
    return verb(view, **{**whole, **fields})


def said(planned: Verb | None) -> tuple[int, ExtensionState, Reason | None]:
    assert isinstance(planned, Record), planned
    found = planned.status.extension
    assert found is not None
    return found.number, found.state, found.reason


def heard(result: ExtendResult, since: float, number: int = 1) -> Told:
    return Told(number, result, MONOTONIC - since)


def test_slurm_is_told_with_the_intent_of_exactly_this_job() -> None:
    assert planned(job()) == Extend(ID, intent(), 7, "alice", name_of(), 1, 120)


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.RUNNING, Phase.READY])
def test_a_job_that_waits_or_runs_can_be_given_another_time(phase: Phase) -> None:
    state = SlurmState.PENDING if phase is Phase.QUEUED else SlurmState.RUNNING
    seen = look(row(state, time_limit=3600, nodes=() if phase is Phase.QUEUED else ("node1",)))
    view = JobView(job().spec, known(phase, time_limit=3600, nodes=seen.rows[7].nodes))
    found = snapshot(view, policy=ALLOWED, look=seen)
    assert not objection(view.spec, view.status, 120, 240, NOW)
    assert found.jobs[ID].status.state == view.status.state


def test_a_time_that_it_has_already_needs_no_word_to_slurm() -> None:
    assert said(planned(job(minutes=60))) == (1, APPLIED, None)


def test_what_was_answered_is_not_planned_again() -> None:
    for state in (APPLIED, REFUSED):
        done = HOUR.model_copy(update={"extension": ExtensionStatus(number=1, state=state)})
        assert planned(job(done)) is None


@pytest.mark.parametrize("limit", [7200, 3600, None])
def test_what_slurm_took_is_applied_with_the_next_look_whatever_it_made_of_it(limit: int | None) -> None:
    seen = HOUR.model_copy(update={"slurm": HOUR.slurm and HOUR.slurm.model_copy(update={"time_limit": limit})})
    view = job(intent(status=seen))
    assert planned(view, limit=limit, told=heard(TimeSet(), 0.5)) is None
    assert said(planned(view, limit=limit, told=heard(TimeSet(), 1.5))) == (1, APPLIED, None)


def test_slurms_no_is_told_in_its_words_without_another_look() -> None:
    no = Refused("Slurm says: Access/permission denied", "rejected-by-slurm")
    reason = Reason(code=no.code, message=no.message)
    assert said(planned(job(intent()), told=heard(no, 0))) == (1, REFUSED, reason)


def test_an_answer_that_was_lost_is_waited_out_then_seen_or_told_again() -> None:
    settle = ALLOWED.extend_settle
    early, late = heard(Unknown("lost"), settle), heard(Unknown("lost"), settle + 2)
    seen = HOUR.model_copy(update={"slurm": HOUR.slurm and HOUR.slurm.model_copy(update={"time_limit": 7200})})
    for limit, status in ((3600, HOUR), (7200, seen)):
        assert planned(job(intent(status=status)), limit=limit, told=early) is None
    assert isinstance(planned(job(intent()), told=late), Extend)
    assert said(planned(job(intent(status=seen)), limit=7200, told=late)) == (1, APPLIED, None)


def test_slurm_is_not_told_for_ever_what_it_does_not_take() -> None:
    last = replace(heard(Unknown("Unspecified error"), ALLOWED.extend_settle + 2), tries=TRIES)
    _, state, reason = said(planned(job(intent()), told=last))
    assert (state, reason and "Unspecified error" in reason.message) == (REFUSED, True)
    assert isinstance(planned(job(intent()), told=replace(last, tries=TRIES - 1)), Extend)
    assert isinstance(planned(job(number=2), told=last), Extend)


def test_what_surely_did_not_run_is_told_again_at_once() -> None:
    assert isinstance(planned(job(intent()), told=heard(NotStarted("refused"), 1.5)), Extend)


def test_an_earlier_word_is_waited_out_before_a_later_one() -> None:
    lost = heard(Unknown("lost"), 30)
    assert planned(job(intent(), number=2), told=lost) is None
    assert planned(job(intent(), minutes=60, number=2), told=lost) is None
    assert isinstance(planned(job(intent(), number=2), told=heard(TimeSet(), 30)), Extend)


@pytest.mark.parametrize(("since", "waits"), [(ALLOWED.extend_settle, True), (ALLOWED.extend_settle + 2, False)])
def test_what_an_earlier_leader_may_have_said_is_waited_out(since: float, waits: bool) -> None:
    memory = Memory(met={ID: Met(1, 7, 0.0, MONOTONIC - since)})
    assert (planned(job(intent()), memory=memory) is None) == waits
    assert isinstance(planned(job(), memory=memory), Extend), "nobody has said anything of this one"


def test_a_job_that_no_look_shows_is_left_alone() -> None:
    assert planned(job(), look=look()) is None
    assert planned(job(), look=None) is None
    assert planned(job(), look=look(row(user="mallory"))) is None
    assert planned(job(), look=look(row(name="bwv-other"))) is None


@pytest.mark.parametrize(
    ("view", "longest", "words"),
    [
        (job(), None, "This cluster does not let a job's run time be changed."),
        (job(minutes=241), 240, "This cluster allows at most 240 minutes."),
        (job(known(Phase.READY, started_at=ago(3601), time_limit=3600), 60), 240, "It has run for longer already"),
    ],
)
def test_what_cannot_be_is_refused_without_asking_slurm(view: JobView, longest: int | None, words: str) -> None:
    number, state, reason = said(planned(view, policy=replace(ALLOWED, longest=longest)))
    assert (number, state) == (1, REFUSED)
    assert reason is not None
    assert reason.code == "not-extendable"
    assert words in reason.message


def test_only_its_end_refuses_what_slurm_may_have_been_told() -> None:
    over = job(intent(), minutes=1000)
    assert planned(over, told=heard(Unknown("lost"), 1)) is None
    ending = known(Phase.ENDING, state="COMPLETING", time_limit=3600)
    seen = look(row(SlurmState.COMPLETING, time_limit=3600))
    found = said(planned(job(intent(status=ending)), look=seen))
    assert found == (1, REFUSED, Reason(code="not-extendable", message="It is ending."))


def test_to_end_a_job_comes_first() -> None:
    assert isinstance(planned(job(stopped=True)), Cancel)
    memory = Memory(cancelled={7: MONOTONIC})
    assert said(planned(job(stopped=True), memory=memory))[1] is REFUSED


def test_a_job_that_vanished_is_still_asked_about() -> None:
    gone = snapshot(job(), policy=ALLOWED)
    from bwvisu.planning.evidence import Absence, Missing

    missing = Missing(ID, 1, 7, MONOTONIC - 20, MONOTONIC - 20)
    absent = Absence(missing, 1, MONOTONIC - 1, MONOTONIC - 1, MONOTONIC - 1)
    found = verb(job(), policy=ALLOWED, memory=replace(gone.memory, absences={ID: absent}))
    assert found == Inspect(ID, 7)


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        (Phase.NEW, "not in the cluster's queue yet"),
        (Phase.SUBMITTING, "not in the cluster's queue yet"),
        (Phase.QUEUED, ""),
        (Phase.RUNNING, ""),
        (Phase.READY, ""),
        (Phase.ENDING, "is ending"),
        (Phase.FINISHED, "is over"),
    ],
)
def test_which_jobs_are_open_to_it(phase: Phase, words: str) -> None:
    status = JobStatus(phase=phase)
    found = closed(spec(), status)
    assert words in found
    assert bool(found) == bool(words)
    if phase not in {Phase.ENDING, Phase.FINISHED}:
        assert closed(spec(stopped=True), status) == "It was told to stop."


def test_where_it_stands_is_computed_from_both_records() -> None:
    view = job()
    assert standing(view.spec, view.status) == (PENDING, None)
    assert standing(view.spec, intent()) == (PENDING, None)
    earlier = HOUR.model_copy(update={"extension": ExtensionStatus(number=1, state=APPLIED)})
    assert standing(view.spec, earlier) == (APPLIED, None)
    assert standing(job(number=2).spec, earlier) == (PENDING, None)
    over = earlier.model_copy(update={"phase": Phase.FINISHED})
    assert standing(view.spec, over) == (APPLIED, None)
    assert standing(job(number=2).spec, over)[0] is REFUSED
    assert answer(spec(), earlier) is None


def test_the_clock_of_a_time_limit_begins_with_the_start() -> None:
    waiting = known(Phase.QUEUED)
    assert not objection(spec(), waiting, 1, 240, NOW + timedelta(days=1))
    running = known(Phase.RUNNING, started_at=NOW)
    assert not objection(spec(), running, 5, 240, NOW + timedelta(minutes=4, seconds=59))
    assert objection(spec(), running, 5, 240, NOW + timedelta(minutes=5))
