"""A job as a card."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bwvisu.portal.cards import Card, card, run_time
from bwvisu.portal.documents import Application, Cluster, Job
from tests.support.small_api import job as plain

NOW = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
SLURM = {"job_id": 7, "state": "RUNNING", "nodes": ["n1"], "ends_at": "2026-11-22T14:00:00Z", "time_limit_minutes": 60}


def timeline(*states: str) -> list[dict[str, str]]:
    """One a second."""
    return [{"state": state, "at": f"2026-11-22T12:00:{second:02d}Z"} for second, state in enumerate(states)]


def made(**changes: Any) -> Card:
    return card(Job.model_validate(plain(**changes)), None, NOW)


def test_a_queued_job_says_why_it_waits_and_when_it_is_expected() -> None:
    slurm = {**SLURM, "state": "PENDING", "nodes": [], "ends_at": None, "expected_start_at": "2026-11-22T13:30:00Z"}
    shown = made(
        state="submitted",
        timeline=timeline("accepted", "submitted"),
        slurm=slurm,
        reason={"code": "slurm:Resources", "message": "It waits for free nodes."},
    )
    assert [(step.progress, step.took) for step in shown.steps] == [
        ("done", 1),
        ("now", None),
        ("ahead", None),
        ("ahead", None),
    ]
    assert shown.reason
    assert shown.reason.message == "It waits for free nodes."
    assert shown.expected_start == NOW + timedelta(minutes=30)
    assert (shown.can_connect, shown.can_stop, shown.more_time) == (False, True, ())


@pytest.mark.parametrize(
    ("limit", "maximum", "slurm", "offered"),
    [
        (240, 1440, SLURM, (30, 60, 120)),
        (240, 100, SLURM, (30,)),  # the application's own maximum counts, too
        (240, 1440, {**SLURM, "time_limit_minutes": 200}, (30,)),
        (240, 1440, None, (30, 60, 120)),  # as it was asked for: 60
        (60, 1440, SLURM, ()),
        (None, 1440, SLURM, ()),  # the site allows no other run time
    ],
)
def test_more_time_is_offered_as_far_as_site_and_application_allow(
    limit: int | None, maximum: int, slurm: Any, offered: tuple[int, ...]
) -> None:
    minutes = {"properties": {"minutes": {"type": "integer", "maximum": maximum}}}
    plain_application = {"name": "terminal", "title": "T", "summary": "", "version": "1", "category": ""}
    application = Application.model_validate({**plain_application, "clusters": ["main"], "parameters": minutes})
    cluster = Cluster.model_validate({"name": "main", "title": "", "limits": {"extend_to_minutes": limit}})
    job = Job.model_validate(plain(state="running", slurm=slurm))
    assert card(job, application.on([cluster]), NOW).more_time == offered
    assert card(job, None, NOW).more_time == ()


def test_a_ready_job_can_be_entered_and_says_when_it_ends() -> None:
    shown = made(state="available", timeline=timeline("accepted", "submitted", "running", "available"), slurm=SLURM)
    assert [step.progress for step in shown.steps] == ["done"] * 4
    assert (shown.can_connect, shown.ends_soon) == (True, False)
    assert shown.ends_at == NOW + timedelta(hours=1)


def test_its_owner_is_warned_before_the_end() -> None:
    shown = made(state="available", slurm={**SLURM, "ends_at": "2026-11-22T13:09:00Z"})
    assert shown.ends_soon


def test_a_job_that_is_being_stopped_offers_nothing_more() -> None:
    shown = made(state="available", wanted="stopped", slurm=SLURM)
    assert shown.state == "Stopping"
    assert (shown.can_connect, shown.can_stop, shown.more_time) == (False, False, ())


@pytest.mark.parametrize(
    ("outcome", "bad", "advice"),
    [
        ("completed", False, ""),
        ("cancelled", False, ""),
        ("out_of_memory", True, "Start it again with more memory."),
        ("timeout", True, "Start it again with a longer run time."),
        ("rejected", True, "Change what the message names, and start it again."),
    ],
)
def test_an_ended_job_says_what_to_do_next(outcome: str, bad: bool, advice: str) -> None:
    shown = made(state="finished", outcome=outcome, timeline=timeline("accepted", "submitted", "finished"))
    assert (shown.bad, shown.advice) == (bad, advice)
    assert [step.progress for step in shown.steps] == ["done", "done", "skipped", "skipped"]
    assert (shown.can_connect, shown.can_stop, shown.more_time) == (False, False, ())


def test_a_job_that_went_back_shows_the_way_it_goes_now() -> None:
    shown = made(state="submitted", timeline=timeline("accepted", "submitted", "running", "available", "submitted"))
    assert [step.progress for step in shown.steps] == ["done", "now", "ahead", "ahead"]


def test_a_state_of_a_later_version_is_shown_by_its_own_name() -> None:
    assert made(state="hibernating").state == "hibernating"


@pytest.mark.parametrize(
    ("outcome", "parameters", "more"),
    [
        ("out_of_memory", {"memory": 4}, "memory"),
        ("out_of_memory", {"memory": 0}, ""),
        ("timeout", {"minutes": 60}, "minutes"),
        ("failed", {"minutes": 60, "memory": 4}, ""),
    ],
)
def test_what_there_was_too_little_of_is_named(outcome: str, parameters: dict[str, Any], more: str) -> None:
    assert made(state="finished", outcome=outcome, parameters=parameters).more == more


@pytest.mark.parametrize(("code", "bad"), [("cancelled-by-user", False), ("cancelled-by-administrator", True)])
def test_an_end_that_its_owner_did_not_ask_for_is_no_good_one(code: str, bad: bool) -> None:
    reason = {"code": code, "message": "It was stopped."}
    assert made(state="finished", outcome="cancelled", reason=reason).bad is bad


def test_time_that_was_asked_for_counts_before_the_cluster_has_answered() -> None:
    asked = {"minutes": 90, "state": "pending"}
    assert run_time(Job.model_validate(plain(state="available", slurm=SLURM))) == 60
    assert run_time(Job.model_validate(plain(state="available", slurm=SLURM, extension=asked))) == 90


def test_only_what_is_in_the_catalogue_can_be_launched_again() -> None:
    assert not made(state="finished", outcome="completed").can_relaunch


def test_a_page_that_was_open_before_a_move_must_be_opened_again() -> None:
    at = "2026-11-22T12:30:00Z"
    assert made(state="available", moved_at=at).moved_at == datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
    for state, wanted in (("running", "running"), ("finished", "running"), ("available", "stopped")):
        assert made(state=state, wanted=wanted, moved_at=at).moved_at is None
