"""Steps 11 and 12: a job is available while all its services answer; fault 24."""

from datetime import timedelta

import pytest

from bwvisu.domain.job import JobStatus, Moment, Reason, Service
from bwvisu.domain.lifecycle import Phase, State
from bwvisu.planning.readiness import judge
from bwvisu.planning.snapshot import JobView
from tests.unit.planning.build import NOW, WEB, known, spec

DOWN = WEB.model_copy(update={"reachable": False})


def judged(phase: Phase, *services: Service, expected: int = 1, refusal: Reason | None = None) -> JobStatus:
    status = known(phase).model_copy(update={"services": (WEB,) if phase is Phase.READY else ()})
    view = JobView(spec(services=expected), status, services=services or None, refusal=refusal)
    once = judge(view, status, NOW)
    assert judge(view, once, NOW) == once
    return once


def told(status: JobStatus) -> str | None:
    return status.reason.code if status.reason is not None else None


def test_a_running_job_is_available_when_all_its_services_answer() -> None:
    assert judged(Phase.RUNNING, WEB).phase is Phase.READY
    assert judged(Phase.RUNNING, WEB, DOWN, expected=2).phase is Phase.RUNNING
    assert judged(Phase.RUNNING, WEB, expected=2).phase is Phase.RUNNING


def test_a_job_without_services_is_available_once_it_runs() -> None:
    assert judged(Phase.RUNNING, expected=0).phase is Phase.READY


def test_a_job_whose_application_does_not_listen_yet_is_starting() -> None:
    starting = judged(Phase.RUNNING, DOWN)
    assert (starting.phase, starting.services, told(starting)) == (Phase.RUNNING, (DOWN,), "starting")


def test_a_job_that_does_not_listen_in_time_says_so_and_is_left_alone() -> None:
    """300 s from its start, where the bundle says no other time."""
    running = Moment(state=State.RUNNING, at=NOW)
    status = known(Phase.RUNNING).model_copy(update={"timeline": (running,)})
    view = JobView(spec(services=1), status)
    assert told(judge(view, status, NOW + timedelta(seconds=300))) == "starting"
    late = judge(view, status, NOW + timedelta(seconds=301))
    assert (late.phase, told(late)) == (Phase.RUNNING, "not-listening")
    assert late.reason is not None
    assert "300 s" in late.reason.message
    ready = judge(JobView(spec(services=1), late, services=(WEB,)), late, NOW + timedelta(seconds=302))
    assert (ready.phase, told(ready)) == (Phase.READY, None)


def test_a_job_that_stops_answering_runs_and_says_so() -> None:
    fallen = judged(Phase.READY, DOWN)
    assert (fallen.phase, fallen.services, told(fallen)) == (Phase.RUNNING, (DOWN,), "not-answering")


def test_a_job_that_was_stopped_is_not_told_to_start_again_while_slurm_still_shows_it() -> None:
    status = known(Phase.READY).model_copy(update={"services": (WEB,)})
    view = JobView(spec(services=1, stopped=True), status, services=(DOWN,))
    ending = judge(view, status, NOW)
    assert (ending.phase, ending.services, ending.reason) == (Phase.READY, (DOWN,), status.reason)


def test_a_job_without_open_forwards_keeps_its_last_addresses_unreachable() -> None:
    fallen = judged(Phase.READY)
    assert (fallen.phase, fallen.services) == (Phase.RUNNING, (DOWN,))


def test_what_the_keyhole_refuses_is_told() -> None:
    full = Reason(code="port-pool-exhausted", message="All ports are in use.")
    assert told(judged(Phase.RUNNING, refusal=full)) == "port-pool-exhausted"
    assert told(judged(Phase.READY, refusal=full)) == "port-pool-exhausted"


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.ENDING])
def test_a_job_that_does_not_run_is_not_judged(phase: Phase) -> None:
    assert judged(phase, WEB).phase is phase


ELSEWHERE = WEB.model_copy(update={"gateway": "gw2", "external_host": "192.0.2.2", "reachable": False})


def test_a_job_that_moves_says_so_until_it_answers_at_its_new_place() -> None:
    status = known(Phase.READY).model_copy(update={"services": (WEB,)})
    reserved = judge(JobView(spec(services=1), status, moved=True, moving=True), status, NOW)
    assert (reserved.phase, reserved.services, told(reserved), reserved.moved_at) == (
        Phase.RUNNING,
        (DOWN,),
        "moving",
        None,
    )
    later = NOW + timedelta(seconds=1)
    opened = JobView(spec(services=1), reserved, services=(ELSEWHERE,), moved=True, moving=True)
    there = judge(opened, reserved, later)
    assert (there.phase, there.services, told(there), there.moved_at) == (Phase.RUNNING, (ELSEWHERE,), "moving", later)
    answers = ELSEWHERE.model_copy(update={"reachable": True})
    done = judge(JobView(spec(services=1), there, services=(answers,), moved=True), there, later)
    assert (done.phase, done.services, told(done), done.moved_at) == (Phase.READY, (answers,), None, later)


def test_a_job_that_does_not_answer_at_its_new_place_says_that_instead() -> None:
    status = known(Phase.READY).model_copy(update={"services": (WEB,)})
    moving = judge(JobView(spec(services=1), status, moved=True, moving=True), status, NOW)
    silent = judge(JobView(spec(services=1), moving, services=(ELSEWHERE,), moved=True), moving, NOW)
    assert (silent.phase, told(silent)) == (Phase.RUNNING, "not-answering")


def test_a_job_that_has_not_begun_to_listen_is_starting_wherever_its_way_moves() -> None:
    status = known(Phase.RUNNING).model_copy(update={"services": (DOWN,)})
    moving = judge(JobView(spec(services=1), status, moved=True, moving=True), status, NOW)
    assert told(moving) == "starting"


def test_another_runs_gateway_is_no_move() -> None:
    status = known(Phase.RUNNING).model_copy(update={"services": (DOWN,)})
    assert judge(JobView(spec(services=1), status, services=(ELSEWHERE,)), status, NOW).moved_at is None
