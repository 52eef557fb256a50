"""Steps 3 to 6: submit, recognise, submit again only on proof, or give up; faults 1, 2, 3, 4, 5, 8, 10, 34, 35a."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bwvisu.domain.job import JobStatus
from bwvisu.domain.lifecycle import Outcome, Phase
from bwvisu.domain.observation import ExitStatus, Look, SlurmState
from bwvisu.planning import words
from bwvisu.planning.evidence import Unfound, not_found
from bwvisu.planning.plan import plan, remember
from bwvisu.planning.snapshot import JobView, Memory, Met, Snapshot
from bwvisu.planning.submission import recognise, unsent
from bwvisu.planning.verbs import LookUpUser, Record, Submit
from tests.unit.planning.build import (
    ALICE,
    CLUSTER_NOW,
    ID,
    MONOTONIC,
    NOW,
    OTHER_ID,
    POLICY,
    after_looks,
    ago,
    look,
    name_of,
    row,
    snapshot,
    spec,
    submitting,
    verb,
    verbs,
)

NEW = JobView(spec())
SETTLED = MONOTONIC + POLICY.submit_settle
"""From here on a look can prove that a submission that was met at `MONOTONIC` came to nothing."""
PROOF = (look(began=SETTLED), look(began=SETTLED + 15))


def recorded(found: object) -> JobStatus:
    assert isinstance(found, Record)
    return found.status


# ---- new jobs ---------------------------------------------------------------------------------------------------


def test_a_new_job_is_submitted_with_its_intent() -> None:
    planned = verb(NEW)
    assert isinstance(planned, Submit)
    assert (planned.home, planned.status.phase) == ("/home/alice", Phase.SUBMITTING)
    assert (planned.status.attempt, planned.status.intent_at) == (1, NOW)


def test_the_owner_is_looked_up_first_and_once() -> None:
    assert verbs(NEW, JobView(spec(job_id=OTHER_ID)), users={}) == (LookUpUser("alice"),)


def test_an_owner_asked_in_vain_is_waited_for() -> None:
    told = recorded(verb(NEW, users={"alice": None}))
    assert told.reason is not None
    assert (told.phase, told.reason.code) == (Phase.NEW, "cluster-unreachable")
    assert verb(JobView(spec(), told), users={"alice": None}) is None


@pytest.mark.parametrize(
    ("user", "code"),
    [
        (ALICE.model_copy(update={"exists": False}), "unknown-user"),
        (ALICE.model_copy(update={"refused": "a system account"}), "user-not-allowed"),
    ],
)
@pytest.mark.parametrize("status", [JobStatus(), submitting()])
def test_an_account_that_may_not_be_used_is_rejected(status: JobStatus, user: object, code: str) -> None:
    unfound = {"alice": Unfound(2, MONOTONIC, MONOTONIC + POLICY.agree_after)}
    now = after_looks(JobView(spec(), status), PROOF, met_at=MONOTONIC, users={"alice": user}, unfound=unfound)
    over = recorded(plan(now).verbs[0])
    assert over.reason is not None
    assert (over.outcome, over.reason.code) == (Outcome.REJECTED, code)


@pytest.mark.parametrize(
    "unfound",
    [
        {},
        {"bob": Unfound(2, MONOTONIC, MONOTONIC + POLICY.agree_after)},
        {"alice": Unfound(1, MONOTONIC, MONOTONIC)},
        {"alice": Unfound(9, MONOTONIC, MONOTONIC + POLICY.agree_after - 0.1)},
    ],
)
@pytest.mark.parametrize("status", [JobStatus(), submitting()])
def test_an_account_that_was_not_found_is_waited_for_until_answers_agree(
    status: JobStatus, unfound: dict[str, Unfound]
) -> None:
    user = ALICE.model_copy(update={"exists": False})
    now = after_looks(JobView(spec(), status), PROOF, met_at=MONOTONIC, users={"alice": user}, unfound=unfound)
    told = recorded(plan(now).verbs[0])
    assert told.reason is not None
    assert (told.phase, told.reason.code) == (status.phase, "user-not-found")
    waiting = replace(now, jobs={ID: JobView(spec(), told)})
    assert plan(waiting).verbs == ()
    assert plan(replace(waiting, users={})).verbs == (LookUpUser("alice"),)


@pytest.mark.parametrize(
    ("asked", "agreed"),
    [((0.0,), False), ((0.0, 14.9), False), ((0.0, 15.0), True), ((0.0, 120.1), False), ((0.0, 100.0, 200.0), True)],
)
def test_answers_agree_in_a_row_and_some_time_apart(asked: tuple[float, ...], agreed: bool) -> None:
    unfound = None
    for at in asked:
        unfound = not_found(unfound, at, "login1", within=120.0)
    assert unfound is not None
    assert unfound.agreed(15.0) is agreed


def test_a_job_stopped_before_it_was_submitted_is_cancelled_without_a_word_to_slurm() -> None:
    assert recorded(verb(JobView(spec(stopped=True)), users={}, look=None)).outcome is Outcome.CANCELLED


@pytest.mark.parametrize("blind", [{"look": None}, {"reachable": False}])
def test_nothing_is_submitted_to_a_cluster_that_is_not_seen(blind: dict[str, object]) -> None:
    assert not any(isinstance(planned, Submit) for planned in verbs(NEW, **blind))


def test_a_submission_that_reached_no_command_node_rests_a_while_and_keeps_saying_why() -> None:
    waiting = JobView(spec(), unsent(submitting(), "refused", at=NOW))
    assert verb(waiting, memory=Memory(held_back={ID: MONOTONIC + 1})) is None
    planned = verb(waiting, memory=Memory(held_back={ID: MONOTONIC}))
    assert isinstance(planned, Submit)
    assert planned.status.attempt == 2
    assert planned.status.reason == waiting.status.reason


def test_a_job_that_slurm_never_takes_without_a_clear_refusal_is_given_up_in_its_last_words() -> None:
    """Some sites' refusals cannot be told from a lost answer; each attempt waits for its proof, but not for ever."""
    status = submitting().model_copy(update={"reason": words.in_doubt("Unspecified error")})
    for attempt in range(2, 6):
        planned = plan(after_looks(JobView(spec(), status), PROOF, met_at=MONOTONIC)).verbs[0]
        assert isinstance(planned, Submit)
        assert (planned.status.attempt, planned.status.doubtful) == (attempt, attempt - 1)
        status = planned.status.model_copy(update={"reason": status.reason, "intent_at": status.intent_at})
    over = recorded(plan(after_looks(JobView(spec(), status), PROOF, met_at=MONOTONIC)).verbs[0])
    assert over.reason is not None
    assert (over.outcome, over.reason.code) == (Outcome.REJECTED, "never-taken")
    assert "Unspecified error" in over.reason.message


def test_a_namesake_from_before_the_intent_is_not_adopted_but_forbids_another_submission() -> None:
    """It may be a prank, or ours under a wrong clock: nobody can tell, so nothing is done while it is there."""
    early = row(SlurmState.RUNNING, submitted_at=int(NOW.timestamp()) - 3600)
    looks = (look(early, began=SETTLED), look(early, began=SETTLED + 15))
    now = after_looks(JobView(spec(), submitting()), looks, met_at=MONOTONIC)
    assert not [planned for planned in plan(now).verbs if isinstance(planned, Submit)]
    assert all(planned.status.slurm is None for planned in plan(now).verbs if isinstance(planned, Record))


def test_only_so_many_submissions_are_under_way() -> None:
    jobs = [JobView(spec(job_id=f"01jd{number:022d}")) for number in range(20)]
    busy = frozenset(view.spec.id for view in jobs[:3])
    assert len([planned for planned in verbs(*jobs, busy=busy) if isinstance(planned, Submit)]) == 5


def test_after_an_unknown_result_nothing_is_submitted_before_a_look_has_begun() -> None:
    """Fault 4: a Slurm that hangs must not make one job's fate after the other unknown."""
    doubtful = JobView(spec(job_id=OTHER_ID), submitting())
    met = {OTHER_ID: Met(1, None, MONOTONIC - 20, MONOTONIC - 10)}
    before, since = (
        snapshot(NEW, doubtful, look=look(began=MONOTONIC - ago), memory=Memory(met=met)) for ago in (11, 9)
    )
    assert [type(planned) for planned in plan(before).verbs] == [Record]
    assert {type(planned) for planned in plan(since).verbs} == {Record, Submit}


# ---- adoption ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        (SlurmState.PENDING, Phase.QUEUED),
        (SlurmState.UNRECOGNISED, Phase.QUEUED),
        (SlurmState.RUNNING, Phase.RUNNING),
        (SlurmState.COMPLETING, Phase.ENDING),
        (SlurmState.COMPLETED, Phase.FINISHED),
    ],
)
@pytest.mark.parametrize("stopped", [False, True])
def test_a_lost_answer_is_found_by_name_and_adopted(state: SlurmState, phase: Phase, stopped: bool) -> None:
    found = recorded(verb(JobView(spec(stopped=stopped), submitting()), look=look(row(state))))
    assert (found.phase, found.attempt) == (phase, 1)
    assert found.slurm is not None
    assert found.slurm.job_id == 7


def test_an_adopted_job_keeps_no_word_of_the_doubt() -> None:
    doubted = recorded(verb(JobView(spec(), submitting())))
    assert doubted.reason is not None
    assert doubted.reason.code == "submission-unknown"
    ending = recorded(verb(JobView(spec(), doubted), look=look(row(SlurmState.COMPLETING))))
    assert ending.reason is None


@pytest.mark.parametrize(
    "stranger",
    [
        row(user="mallory"),
        row(name=name_of(attempt=2)),
        row(name=name_of(job_id=OTHER_ID)),
        row(name=name_of(installation="other00")),
        row(submitted_at=CLUSTER_NOW - 1 - POLICY.clock_tolerance - 1),
    ],
)
def test_nothing_else_is_adopted(stranger: object) -> None:
    view = JobView(spec(), submitting())
    assert recognise(view, look(stranger), POLICY) is None  # type: ignore[arg-type]


def test_clocks_that_differ_a_little_do_not_hide_a_job() -> None:
    early = row(submitted_at=CLUSTER_NOW - POLICY.clock_tolerance)
    assert recognise(JobView(spec(), submitting()), look(early), POLICY) == early


@pytest.mark.parametrize("hours", [-1, 1])
def test_what_our_own_clock_shows_at_the_intent_makes_a_job_no_stranger(hours: int) -> None:
    """It jumped before the intent and back after it; a job from an hour before is a stranger all the same."""
    planned = verb(NEW, now=NOW + timedelta(hours=hours), look=look(began=MONOTONIC - 30))
    assert isinstance(planned, Submit)
    assert planned.status.intent_clock == CLUSTER_NOW + 29
    ours, stranger = row(submitted_at=CLUSTER_NOW + 30), row(submitted_at=CLUSTER_NOW - 3600)
    assert recognise(JobView(spec(), planned.status), look(ours), POLICY) == ours
    assert recognise(JobView(spec(), planned.status), look(stranger), POLICY) is None


def test_a_live_job_is_adopted_rather_than_an_ended_one() -> None:
    ended, live = row(SlurmState.FAILED, job_id=7), row(SlurmState.PENDING, job_id=8)
    assert recognise(JobView(spec(), submitting()), look(ended, live), POLICY) == live


# ---- absence ----------------------------------------------------------------------------------------------------


def resolve(*looks: Look, since: float = 1.0, **fields: object) -> Snapshot:
    return after_looks(JobView(spec(), submitting(since=since), **fields), looks, met_at=MONOTONIC)  # type: ignore[arg-type]


def test_two_looks_that_agree_permit_another_attempt() -> None:
    (planned,) = plan(resolve(*PROOF)).verbs
    assert isinstance(planned, Submit)
    assert (planned.status.attempt, planned.status.reason) == (2, None)


@pytest.mark.parametrize(
    "looks",
    [
        [],
        [look(began=SETTLED)],
        [look(began=SETTLED), look(began=SETTLED + 14)],
        [look(began=SETTLED - 1), look(began=SETTLED + 14)],
        [look(began=SETTLED), look(row(SlurmState.PENDING), began=SETTLED + 5), look(began=SETTLED + 15)],
    ],
    ids=["none", "one", "too near", "first too early", "seen in between"],
)
def test_less_is_no_proof(looks: list[Look]) -> None:
    planned = plan(resolve(*looks)).verbs
    assert [recorded(each).reason.code for each in planned] == ["submission-unknown"]  # type: ignore[union-attr]


def test_a_job_whose_script_spoke_is_not_submitted_again() -> None:
    """Condition (a).  It ran: its own report tells how it ended, if anything does."""
    spoke = resolve(*PROOF, heard=frozenset({1}))
    assert recorded(plan(spoke).verbs[0]).outcome is Outcome.LOST
    reported = resolve(*PROOF, heard=frozenset({1}), exit_code=3)
    over = recorded(plan(reported).verbs[0])
    assert (over.outcome, over.exit_code) == (Outcome.FAILED, 3)


def test_a_script_of_an_earlier_attempt_says_nothing_of_this_one() -> None:
    view = JobView(spec(), submitting(attempt=2), heard=frozenset({1}))
    assert isinstance(plan(after_looks(view, PROOF, met_at=MONOTONIC)).verbs[0], Submit)


def test_a_job_that_might_have_come_and_gone_is_lost() -> None:
    """Condition (c): it could have ended and been purged before the looks."""
    now = resolve(*PROOF)
    over = recorded(plan(replace(now, policy=replace(POLICY, min_job_age=100.0))).verbs[0])
    assert (over.phase, over.outcome) == (Phase.FINISHED, Outcome.LOST)


def test_while_nobody_knows_how_soon_slurm_purges_nothing_is_concluded() -> None:
    now = resolve(*PROOF)
    waiting = plan(replace(now, policy=replace(POLICY, min_job_age=None))).verbs
    assert all(recorded(each).phase is Phase.SUBMITTING for each in waiting)


def test_what_proved_one_attempt_lost_proves_nothing_of_the_next() -> None:
    """Until the next look it is still remembered."""
    now = resolve(*PROOF)
    (again,) = plan(now).verbs
    assert isinstance(again, Submit)
    second = replace(now, jobs={ID: JobView(spec(), again.status)})
    assert [type(planned) for planned in plan(second).verbs] == [Record]


def test_a_job_that_slurm_never_takes_is_rejected_in_the_end() -> None:
    """Some sites' refusals are not recognisable as such."""
    doubted = submitting(attempt=4).model_copy(update={"doubtful": 4})
    over = recorded(plan(after_looks(JobView(spec(), doubted), PROOF, met_at=MONOTONIC)).verbs[0])
    assert over.reason is not None
    assert (over.outcome, over.reason.code) == (Outcome.REJECTED, "never-taken")


def test_a_stopped_job_that_never_was_is_cancelled() -> None:
    """Fault 8: resolved first; then there is nothing left to cancel."""
    view = JobView(spec(stopped=True), submitting())
    assert recorded(plan(after_looks(view, PROOF, met_at=MONOTONIC)).verbs[0]).outcome is Outcome.CANCELLED


def test_another_attempt_waits_for_a_cluster_that_is_seen() -> None:
    assert not any(isinstance(each, Submit) for each in plan(replace(resolve(*PROOF), reachable=False)).verbs)


# ---- leaders ----------------------------------------------------------------------------------------------------


def test_a_new_leader_waits_anew_for_a_submission_of_its_predecessor() -> None:
    """Whatever the wall clock says of its age."""
    met = remember(snapshot(JobView(spec(), submitting(since=200))))[ID]
    assert met.since == MONOTONIC
    assert met.origin == MONOTONIC - 200 - POLICY.replica_tolerance


def test_an_old_intent_of_a_predecessor_is_too_old_for_another_attempt() -> None:
    assert recorded(plan(resolve(*PROOF, since=150)).verbs[0]).outcome is Outcome.LOST


def test_an_intent_of_the_future_has_no_age() -> None:
    """The clocks of two leaders disagree: nobody knows how old it is, so an absence proves nothing."""
    assert recorded(plan(resolve(*PROOF, since=-60)).verbs[0]).outcome is Outcome.LOST


def test_a_submission_is_waited_for_until_its_answer_is_given_up() -> None:
    waiting = snapshot(JobView(spec(), submitting()), busy=frozenset({ID}))
    first = remember(waiting)
    later = replace(waiting, monotonic=MONOTONIC + 40, memory=Memory(met=first))
    assert remember(later)[ID].since == MONOTONIC + 40
    assert remember(replace(later, busy=frozenset()))[ID].since == MONOTONIC
    assert first[ID].origin == MONOTONIC - (NOW - ago(1)).total_seconds()


def test_an_exit_status_of_an_adopted_job_is_told() -> None:
    failed = row(SlurmState.FAILED, reason="NonZeroExitCode", exit_status=ExitStatus(3, 0))
    over = recorded(verb(JobView(spec(), submitting()), look=look(failed)))
    assert (over.outcome, over.exit_code) == (Outcome.FAILED, 3)
    assert [moment.state.value for moment in over.timeline] == ["submitted", "finished"]
