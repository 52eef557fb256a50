"""Jobs that nobody uses: warned, kept, stopped; and never stopped by a leader that has not seen it itself."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwvisu.domain.job import Idleness, JobStatus, Moment, Service
from bwvisu.domain.lifecycle import Outcome, Phase, State
from bwvisu.domain.observation import SlurmState
from bwvisu.planning.idle import idle_since, warned, warning, watch
from bwvisu.planning.plan import plan
from bwvisu.planning.snapshot import JobView, Memory, Quiet, Snapshot, Watch
from bwvisu.planning.verbs import Cancel, Record, StopIdle, Verb
from tests.unit.planning.build import ID, MONOTONIC, NOW, POLICY, WEB, ago, known, look, row, snapshot, spec

HOUR = 3600
WARNED = Idleness(warned_at=ago(300), stops_at=NOW)
AVAILABLE = Moment(state=State.AVAILABLE, at=ago(7200))


def ready(idle: Idleness | None = None, service: Service = WEB, phase: Phase = Phase.READY) -> JobStatus:
    return known(phase).model_copy(update={"services": (service,), "idle": idle, "timeline": (AVAILABLE,)})


def job(status: JobStatus, *, stop: int | None = HOUR, kept: datetime | None = None, stopped: bool = False) -> JobView:
    wanted = spec(services=1, stopped=stopped).model_copy(update={"idle_stop": stop, "kept_at": kept})
    return JobView(wanted, status, services=status.services)


def seen(view: JobView, quiet: Quiet | None, watched: Watch | None = None) -> Snapshot:
    return snapshot(
        view,
        look=None,
        quiet={ID: quiet},
        memory=Memory(watches={} if watched is None else {ID: watched}),
    )


def quiet_for(seconds: float) -> Quiet:
    return Quiet(MONOTONIC - seconds, MONOTONIC)


def watched(seconds: float, status: JobStatus, kept: datetime | None = None, told: float = 300.0) -> Watch:
    """For so long; of a warning for ``told`` seconds."""
    idle = status.idle.warned_at if status.idle else None
    return Watch(AVAILABLE.at, kept, MONOTONIC - seconds, idle, MONOTONIC - told)


def decided(
    status: JobStatus,
    idle: float,
    *,
    watching: float = 9000,
    told: float = 300.0,
    stop: int | None = HOUR,
    stopped: bool = False,
) -> Verb | None:
    """What is done about a job that was idle for so long."""
    view = job(status, stop=stop, stopped=stopped)
    verbs = plan(seen(view, quiet_for(idle), watched(watching, status, told=told))).verbs
    assert len(verbs) < 2
    return verbs[0] if verbs else None


def idle_of(verb: Verb | None) -> Idleness | None:
    assert isinstance(verb, Record | StopIdle), verb
    return verb.status.idle


def test_a_job_is_warned_so_long_before_its_end_and_not_earlier() -> None:
    assert decided(ready(), HOUR - 301) is None
    assert idle_of(decided(ready(), HOUR - 300)) == Idleness(warned_at=NOW, stops_at=NOW + timedelta(seconds=300))


def test_a_warning_that_came_late_is_as_long() -> None:
    """No leader was there to give it in time."""
    assert idle_of(decided(ready(), 2 * HOUR)) == Idleness(warned_at=NOW, stops_at=NOW + timedelta(seconds=300))
    assert decided(ready(WARNED), 2 * HOUR, told=299) is None


def test_it_is_stopped_when_its_time_is_over_and_it_was_warned() -> None:
    assert decided(ready(WARNED), HOUR - 1) is None
    verb = decided(ready(WARNED), HOUR)
    assert isinstance(verb, StopIdle)
    assert verb.status.idle == WARNED.model_copy(update={"stopped_at": NOW})


def test_activity_takes_the_warning_back() -> None:
    verb = decided(ready(WARNED), 5)
    assert isinstance(verb, Record)
    assert verb.status.idle is None


@pytest.mark.parametrize("watching", [0, HOUR - 301])
def test_a_new_leader_counts_from_when_it_began_to_watch(watching: float) -> None:
    assert decided(ready(), 2 * HOUR, watching=watching) is None


def test_what_cannot_be_told_is_said_and_stops_nothing() -> None:
    for before in (None, WARNED):
        view = job(ready(before))
        (verb,) = plan(seen(view, None, watched(9000, view.status))).verbs
        assert idle_of(verb) == Idleness(known=False)
    view = job(ready(Idleness(known=False)))
    assert plan(seen(view, None, watched(9000, view.status))).verbs == ()


def test_before_this_leader_has_looked_all_stays_as_it_is() -> None:
    view = job(ready(WARNED))
    assert plan(replace(seen(view, None, watched(9000, view.status)), quiet={})).verbs == ()


@pytest.mark.parametrize("view", [job(ready(WARNED), stop=None), job(ready(WARNED), stopped=True)])
def test_what_is_not_to_be_stopped_or_is_already_is_left_alone(view: JobView) -> None:
    verbs = plan(seen(view, quiet_for(9000), watched(9000, view.status))).verbs
    assert not [verb for verb in verbs if isinstance(verb, Record | StopIdle)]


def test_a_job_that_stopped_answering_is_not_warned_any_more() -> None:
    deaf = WEB.model_copy(update={"reachable": False})
    view = job(ready(WARNED, deaf, Phase.RUNNING))
    (verb,) = plan(seen(view, quiet_for(9000), None)).verbs
    assert isinstance(verb, Record)
    view = replace(view, status=verb.status)
    (verb,) = plan(seen(view, quiet_for(9000), None)).verbs
    assert idle_of(verb) is None


def test_the_stop_is_carried_out_and_told_in_words() -> None:
    over = ready(WARNED.model_copy(update={"stopped_at": NOW}))
    view = job(over)
    (verb,) = plan(seen(view, quiet_for(1), watched(9000, over))).verbs  # activity that came too late changes nothing
    assert isinstance(verb, Cancel)
    ended = row(SlurmState.CANCELLED)
    (verb,) = plan(snapshot(view, look=look(ended))).verbs
    assert isinstance(verb, Record)
    assert (verb.status.outcome, verb.status.reason and verb.status.reason.code) == (Outcome.CANCELLED, "idle")
    assert verb.status.reason is not None
    assert "60 minutes" in verb.status.reason.message


def test_a_watch_begins_anew_with_each_availability_and_each_keep() -> None:
    status = ready()
    first = watch(seen(job(status), None))[ID]
    assert first.since == MONOTONIC
    later = replace(seen(job(status), None, first), monotonic=MONOTONIC + 50)
    assert watch(later)[ID] == first
    kept = replace(seen(job(status, kept=NOW), None, first), monotonic=MONOTONIC + 50)
    assert watch(kept)[ID].since == MONOTONIC + 50
    again = status.model_copy(update={"timeline": (Moment(state=State.AVAILABLE, at=NOW),)})
    assert watch(replace(later, jobs={ID: job(again)}))[ID].since == MONOTONIC + 50


def test_the_warning_is_at_most_half_of_the_whole() -> None:
    assert (warning(POLICY, 3600), warning(POLICY, 60)) == (300, 30)


def test_what_users_are_told() -> None:
    active = WEB.model_copy(update={"last_active_at": ago(100)})
    view = job(ready(WARNED, active))
    assert idle_since(view.spec, view.status) == ago(100)
    assert warned(view.spec, view.status) == NOW
    kept = view.spec.model_copy(update={"kept_at": ago(10)})
    assert (idle_since(kept, view.status), warned(kept, view.status)) == (ago(10), None)
    assert idle_since(view.spec, ready(Idleness(known=False))) is None
    assert idle_since(view.spec, ready()) == AVAILABLE.at
    assert idle_since(view.spec, ready(phase=Phase.ENDING)) is None


@given(
    idle=st.floats(0, 3 * HOUR),
    watching=st.floats(0, 3 * HOUR),
    told=st.floats(0, 2 * HOUR),
    stop=st.integers(60, 2 * HOUR),
    status=st.sampled_from([ready(), ready(WARNED), ready(Idleness(known=False))]),
)
def test_nobody_is_stopped_before_the_time_is_over_and_the_warning_was_heard(
    idle: float, watching: float, told: float, stop: int, status: JobStatus
) -> None:
    verb = decided(status, idle, watching=watching, told=told, stop=stop)
    if isinstance(verb, StopIdle):
        assert min(idle, watching) >= stop - 1e-6
        assert told >= warning(POLICY, stop) - 1e-6
        assert status.idle == WARNED
