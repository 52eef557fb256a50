"""Step 7 and 13: what looks, Slurm's word and silence mean for a job that Slurm has; faults 4, 6, 9, 23, 34."""

from dataclasses import replace
from typing import Any

import pytest

from bwvisu.domain.job import JobStatus, Moment, Reason
from bwvisu.domain.lifecycle import Outcome, Phase, State
from bwvisu.domain.observation import (
    CouldNotLook,
    Details,
    ExitStatus,
    Final,
    ProvenAbsent,
    SlurmJob,
    SlurmState,
    StillThere,
)
from bwvisu.planning.plan import plan
from bwvisu.planning.snapshot import JobView, Snapshot
from bwvisu.planning.tracking import fold
from bwvisu.planning.verbs import Inspect, Record
from tests.unit.planning.build import (
    CLUSTER_NOW,
    ID,
    MONOTONIC,
    NOW,
    OTHER_ID,
    WEB,
    after_looks,
    known,
    look,
    name_of,
    row,
    snapshot,
    spec,
    verb,
)


def folded(status: JobStatus, seen: SlurmJob, *, stopped: bool = False) -> JobStatus:
    return fold(JobView(spec(stopped=stopped), status), seen, NOW)


# ---- rows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "state", "after"),
    [
        (Phase.QUEUED, SlurmState.PENDING, Phase.QUEUED),
        (Phase.QUEUED, SlurmState.CONFIGURING, Phase.QUEUED),
        (Phase.QUEUED, SlurmState.RUNNING, Phase.RUNNING),
        (Phase.QUEUED, SlurmState.COMPLETING, Phase.ENDING),
        (Phase.QUEUED, SlurmState.COMPLETED, Phase.FINISHED),
        (Phase.RUNNING, SlurmState.SUSPENDED, Phase.RUNNING),
        (Phase.RUNNING, SlurmState.REQUEUE_HOLD, Phase.QUEUED),
        (Phase.RUNNING, SlurmState.COMPLETING, Phase.ENDING),
        (Phase.RUNNING, SlurmState.NODE_FAIL, Phase.FINISHED),
        (Phase.READY, SlurmState.RUNNING, Phase.READY),
        (Phase.READY, SlurmState.PENDING, Phase.QUEUED),
        (Phase.ENDING, SlurmState.PENDING, Phase.ENDING),
        (Phase.ENDING, SlurmState.RUNNING, Phase.ENDING),
        (Phase.ENDING, SlurmState.COMPLETING, Phase.ENDING),
        (Phase.ENDING, SlurmState.CANCELLED, Phase.FINISHED),
        *((phase, SlurmState.UNRECOGNISED, phase) for phase in (Phase.QUEUED, Phase.READY, Phase.ENDING)),
    ],
)
def test_a_row_moves_a_job(phase: Phase, state: SlurmState, after: Phase) -> None:
    assert folded(known(phase), row(state)).phase is after


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.RUNNING, Phase.READY, Phase.ENDING])
@pytest.mark.parametrize("state", SlurmState)
def test_a_row_seen_twice_says_nothing_new(phase: Phase, state: SlurmState) -> None:
    seen = row(state, expected_start_at=CLUSTER_NOW + 60, ends_at=CLUSTER_NOW + 3600)
    once = folded(known(phase), seen)
    assert folded(once, seen) is once


@pytest.mark.parametrize("state", SlurmState)
def test_nothing_leads_out_of_the_end(state: SlurmState) -> None:
    over = folded(known(Phase.RUNNING), row(SlurmState.COMPLETED))
    assert folded(over, row(state, restarts=1)) is over


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.READY, Phase.ENDING])
def test_a_restart_is_seen_by_its_count(phase: Phase) -> None:
    """Fault 23: between two looks it may have waited and started again."""
    before = known(phase).model_copy(update={"services": (WEB,)})
    again = folded(before, row(SlurmState.RUNNING, restarts=1, nodes=("node2",)))
    assert again.slurm is not None
    assert (again.phase, again.slurm.restarts, again.slurm.nodes) == (Phase.RUNNING, 1, ("node2",))
    assert [moment.state.value for moment in again.timeline] == ["submitted", "running"]


def test_a_requeued_job_is_nowhere_and_its_services_are_down() -> None:
    before = known(Phase.READY).model_copy(update={"services": (WEB,)})
    waits = folded(before, row(SlurmState.PENDING, restarts=1))
    assert waits.slurm is not None
    assert (waits.slurm.nodes, [service.reachable for service in waits.services]) == ((), [False])


def test_a_requeue_is_one_only_once_the_run_before_it_has_completed() -> None:
    """Slurm 22.05 counts it at once, while the run before it is still completing (seen on the sandbox)."""
    ending = folded(known(Phase.READY), row(SlurmState.COMPLETING, restarts=1))
    assert ending.slurm is not None
    assert (ending.phase, ending.slurm.restarts) == (Phase.ENDING, 0)
    waiting = folded(ending, row(SlurmState.PENDING, restarts=1))
    assert waiting.slurm is not None
    assert (waiting.phase, waiting.slurm.restarts) == (Phase.QUEUED, 1)
    assert folded(waiting, row(SlurmState.RUNNING, restarts=1)).phase is Phase.RUNNING


def test_services_of_the_run_before_do_not_make_a_restarted_job_available() -> None:
    view = JobView(spec(services=1), known(Phase.READY), services=(WEB.model_copy(update={"name": "s0"}),))
    planned = verb(view, look=look(row(SlurmState.RUNNING, restarts=1)))
    assert isinstance(planned, Record)
    assert planned.status.phase is Phase.RUNNING


def test_an_ended_job_keeps_where_it_ran() -> None:
    over = folded(known(Phase.RUNNING), row(SlurmState.COMPLETED))
    assert over.slurm is not None
    assert (over.slurm.nodes, over.slurm.state) == (("node1",), "COMPLETED")


def test_a_job_that_flaps_for_days_does_not_fill_the_store() -> None:
    status = known(Phase.QUEUED)
    for restarts in range(1, 100):
        status = folded(status, row(SlurmState.RUNNING, restarts=restarts))
    assert len(status.timeline) < 50
    assert status.timeline[0].state.value == "running"


# ---- ends -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "reason", "status", "outcome", "code", "exit_code"),
    [
        ("COMPLETED", "None", ExitStatus(0, 0), "completed", "completed", 0),
        ("FAILED", "NonZeroExitCode", ExitStatus(3, 0), "failed", "exit-code", 3),
        ("FAILED", "JobLaunchFailure", ExitStatus(15, 53), "failed", "launch-failed", None),
        ("FAILED", "JobLaunchFailure", ExitStatus(0, 11), "failed", "killed-by-signal", None),
        ("FAILED", "BadConstraints", ExitStatus(0, 0), "failed", "slurm:FAILED", 0),
        ("CANCELLED", "None", ExitStatus(0, 15), "cancelled", "cancelled-on-cluster", None),
        ("CANCELLED", "DependencyNeverSatisfied", None, "cancelled", "dependency-never-satisfied", None),
        ("PREEMPTED", "None", ExitStatus(0, 0), "cancelled", "preempted", None),
        ("TIMEOUT", "TimeLimit", ExitStatus(0, 0), "timeout", "time-limit", None),
        ("OUT_OF_MEMORY", "OutOfMemory", ExitStatus(0, 125), "out_of_memory", "out-of-memory", None),
        ("NODE_FAIL", "NodeDown", ExitStatus(0, 0), "node_failed", "node-failed", None),
        ("LAUNCH_FAILED", "None", None, "failed", "slurm:LAUNCH_FAILED", None),
    ],
)
def test_an_end_is_told_in_words(
    state: str, reason: str, status: ExitStatus | None, outcome: str, code: str, exit_code: int | None
) -> None:
    over = folded(known(Phase.RUNNING), row(SlurmState(state), reason=reason, exit_status=status))
    assert over.reason is not None
    assert (over.outcome, over.reason.code, over.exit_code) == (outcome, code, exit_code)


@pytest.mark.parametrize(
    ("who", "code", "message"),
    [
        ("alice", "cancelled-by-user", "It was stopped by alice."),
        ("portal", "cancelled-by-user", "It was stopped by portal."),
        ("", "cancelled-by-user", "It was stopped on request."),
        ("operations", "cancelled-by-administrator", "It was stopped by operations, not by its owner."),
    ],
)
def test_a_cancellation_that_was_asked_for_is_somebodys(who: str, code: str, message: str) -> None:
    wanted = spec(stopped=True).model_copy(update={"stopped_by": who, "created_by": "portal"})
    over = fold(JobView(wanted, known(Phase.ENDING)), row(SlurmState.CANCELLED), NOW)
    assert over.reason == Reason(code=code, message=message)


@pytest.mark.parametrize("state", [state for state in SlurmState if state.is_terminal])
def test_every_end_has_an_outcome_and_a_reason(state: SlurmState) -> None:
    over = folded(known(Phase.RUNNING), row(state))
    assert over.reason is not None
    assert over.outcome is not None
    assert over.reason.message.endswith((".", state.value))


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Resources", "slurm:Resources"),
        ("ReqNodeNotAvail, UnavailableNodes:node[1-2]", "slurm:ReqNodeNotAvail"),
        ("SomethingNew", "slurm:SomethingNew"),
        ("None", "slurm:None"),
    ],
)
def test_a_waiting_job_says_why(said: str, code: str) -> None:
    waits = folded(known(Phase.QUEUED, partition=None), row(SlurmState.PENDING, reason=said))
    assert waits.reason is not None
    assert waits.reason.code == code


# ---- silence ----------------------------------------------------------------------------------------------------

MISSED = [look(began=MONOTONIC + seconds) for seconds in (1, 8, 16)]
"""The look that misses the job, and two more."""
FINAL = Final(
    SlurmState.TIMEOUT, "TimeLimit", ExitStatus(0, 0), None, None, (), user="alice", submitted_at=CLUSTER_NOW - 50
)
ANOTHERS = (
    {"user": "bob", "submitted_at": CLUSTER_NOW - 50},
    {"user": "alice", "submitted_at": CLUSTER_NOW + 5},
)


def silence(view: JobView, looks: int = 3, details: Details | None = None) -> Snapshot:
    now = after_looks(view, MISSED[:looks], met_at=MONOTONIC)
    asked = {} if details is None else {ID: details}
    return replace(now, memory=replace(now.memory, details=asked, inspected=dict.fromkeys(asked, now.monotonic)))


def judged(now: Snapshot) -> tuple[Outcome | None, str] | None:
    if not plan(now).verbs:
        return None
    status = recorded(now)
    assert status.reason is not None
    return status.outcome, status.reason.code


def recorded(now: Snapshot) -> JobStatus:
    """The only thing to do is to write this down."""
    (record,) = plan(now).verbs
    assert isinstance(record, Record)
    return record.status


RUNS = JobView(spec(), known(Phase.RUNNING).model_copy(update={"reason": None}))


def test_without_a_look_nothing_changes() -> None:
    """Fault 4: however long."""
    assert verb(JobView(spec(), steady()), look=None, reachable=False, monotonic=MONOTONIC + 1e6) is None


def steady() -> JobStatus:
    """A running job that has been told that it starts."""
    planned = verb(RUNS, look=look(row()))
    assert isinstance(planned, Record)
    return planned.status


def test_a_look_older_than_our_knowledge_of_the_job_misses_nothing() -> None:
    """Between sbatch's answer and the first look that could show it."""
    queued = known(Phase.QUEUED, partition=None, submitted_at=None)
    now = after_looks(JobView(spec(), queued), [look(began=MONOTONIC - 0.5)], met_at=MONOTONIC)
    assert plan(now).verbs == ()


def test_a_job_that_a_look_misses_is_asked_for_by_number() -> None:
    now = silence(JobView(spec(), steady()), looks=1)
    assert plan(now).verbs == (Inspect(ID, 7),)


@pytest.mark.parametrize("looks", [1, 2, 3])
def test_slurms_word_on_the_job_decides_at_once(looks: int) -> None:
    assert judged(silence(JobView(spec(), steady()), looks, FINAL)) == (Outcome.TIMEOUT, "time-limit")


@pytest.mark.parametrize("details", [ProvenAbsent(), CouldNotLook("sacct: disabled", 0.0)])
def test_without_it_two_further_looks_must_agree(details: Details) -> None:
    assert judged(silence(JobView(spec(), steady()), 2, details)) is None
    assert judged(silence(JobView(spec(), steady()), 3, details)) == (Outcome.LOST, "lost")


@pytest.mark.parametrize(
    ("exit_code", "shown", "outcome", "code"),
    [
        (0, 0, Outcome.COMPLETED, "completed"),
        (4, 4, Outcome.FAILED, "exit-code"),
        (-9, None, Outcome.FAILED, "killed-by-signal"),
    ],
)
def test_its_own_report_tells_how_it_ended(exit_code: int, shown: int | None, outcome: Outcome, code: str) -> None:
    view = JobView(spec(), steady(), exit_code=exit_code)
    over = silence(view, 3, ProvenAbsent())
    assert judged(over) == (outcome, code)
    assert recorded(over).exit_code == shown


@pytest.mark.parametrize("exit_code", [None, 0, 4, -15])
def test_a_stopped_job_that_is_gone_was_cancelled(exit_code: int | None) -> None:
    """Whatever its script made of the signal."""
    view = JobView(spec(stopped=True), steady(), exit_code=exit_code)
    assert judged(silence(view, 3, ProvenAbsent())) == (Outcome.CANCELLED, "cancelled-by-user")


@pytest.mark.parametrize(("exit_code", "outcome"), [(0, Outcome.COMPLETED), (4, Outcome.FAILED)])
@pytest.mark.parametrize(
    ("states", "code"), [((State.RUNNING,), "never-listened"), ((State.RUNNING, State.AVAILABLE), "")]
)
def test_a_job_that_ends_before_anybody_could_reach_it_says_so(
    exit_code: int, outcome: Outcome, states: tuple[State, ...], code: str
) -> None:
    timeline = tuple(Moment(state=state, at=NOW) for state in states)
    status = steady().model_copy(update={"timeline": timeline})
    over = recorded(silence(JobView(spec(services=1), status, exit_code=exit_code), 3, ProvenAbsent()))
    assert over.outcome is outcome
    assert over.reason is not None
    assert over.reason.code == (code or {0: "completed", 4: "exit-code"}[exit_code])
    assert ("log" in over.reason.message) == bool(code)


def test_a_job_that_slurm_still_has_is_not_gone() -> None:
    there = StillThere(SlurmState.RUNNING, "alice", CLUSTER_NOW - 50)
    assert judged(silence(JobView(spec(), steady()), 3, there)) is None


@pytest.mark.parametrize("identity", ANOTHERS)
def test_after_a_reset_another_job_under_our_number_is_not_ours(identity: dict[str, Any]) -> None:
    """Fault 34, seen by number: neither its life nor its end is ours."""
    view = JobView(spec(), steady())
    assert judged(silence(view, 3, StillThere(SlurmState.RUNNING, **identity))) == (Outcome.LOST, "lost")
    other = Final(SlurmState.COMPLETED, "None", ExitStatus(0, 0), None, None, (), **identity)
    assert judged(silence(view, 1, other)) is None
    assert judged(silence(view, 3, other)) == (Outcome.LOST, "lost")


@pytest.mark.parametrize(
    "stranger", [{"user": "bob"}, {"name": name_of(job_id=OTHER_ID)}, {"name": name_of(attempt=2)}]
)
def test_after_a_reset_another_row_under_our_number_is_not_ours(stranger: dict[str, Any]) -> None:
    """Fault 34, seen in a look: our job is absent."""
    looks = [look(row(SlurmState.COMPLETED, **stranger), began=each.began_at) for each in MISSED]
    now = after_looks(JobView(spec(), steady()), looks[:1], met_at=MONOTONIC)
    assert Inspect(ID, 7) in plan(now).verbs
    assert ID in after_looks(JobView(spec(), steady()), looks, met_at=MONOTONIC).memory.absences


# ---- owners who vanish ------------------------------------------------------------------------------------------


def test_fault_32_a_job_goes_on_when_its_owners_account_is_deleted() -> None:
    """Measured (22.05): squeue then shows ``nobody``; that is no absence."""
    view = JobView(spec(), known(Phase.RUNNING))
    planned = plan(snapshot(view, look=look(row(user="nobody"))))
    assert not any(isinstance(each, Inspect) for each in planned.verbs)
    assert planned.foreign == ()


def test_fault_32_a_stranger_who_uses_our_name_is_not_our_job() -> None:
    view = JobView(spec(), known(Phase.RUNNING, slurm_job_id=7))
    (foreign,) = plan(snapshot(view, look=look(row(), row(job_id=8, user="nobody")))).foreign
    assert foreign.startswith("8 of nobody")
