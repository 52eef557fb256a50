"""Traces are drawn from what was stored, once for each job, and wait for a collector that is away."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from bwvisu.domain.job import JobStatus
from bwvisu.domain.lifecycle import Event, Outcome, Phase
from bwvisu.domain.trace import Trace
from bwvisu.errors import TryAgain
from bwvisu.planning import words
from bwvisu.planning.progress import advance, finish
from bwvisu.reconcilers.traces import MOST, Traces, drawn
from tests.unit.planning.build import spec

REQUEST = "0f9a6f0e3c5b4d0c8a41d7b29e63c5f1"
WANTED = spec().model_copy(update={"request": REQUEST})


def lived(*seconds: float) -> list[JobStatus]:
    """Queued, started, ready so many seconds after the request: every version of the status."""
    events = (Event.SUBMITTED, Event.STARTED, Event.READY)
    versions = [JobStatus(phase=Phase.SUBMITTING, attempt=1)]
    for event, after in zip(events, seconds, strict=False):
        versions.append(advance(versions[-1], event, at=WANTED.created_at + timedelta(seconds=after)))
    return versions


def test_a_trace_has_a_span_for_each_state_until_the_first_page() -> None:
    *_, running, ready = lived(2, 12, 15)
    trace = drawn(WANTED, running, ready)
    assert trace is not None
    assert (trace.id, trace.job, trace.failure) == (REQUEST, WANTED.id, "")
    spans = [(each.name, (each.end - each.begin).total_seconds()) for each in trace.spans]
    assert spans == [("accepted", 2), ("submitted", 10), ("running", 3)]


def test_no_span_ends_before_it_began_although_clocks_differ() -> None:
    *_, running, ready = lived(-3, 12, 15)
    trace = drawn(WANTED, running, ready)
    assert trace is not None
    assert min((each.end - each.begin).total_seconds() for each in trace.spans) == 0


def test_a_job_that_came_to_nothing_says_why() -> None:
    *_, queued = lived(2)
    at = WANTED.created_at + timedelta(seconds=5)
    trace = drawn(WANTED, queued, finish(queued, Outcome.CANCELLED, words.cancelled(WANTED), at=at))
    assert trace is not None
    assert trace.failure == words.cancelled(WANTED).code
    assert trace.spans[-1].end == at


def test_there_is_one_for_each_job_and_none_without_a_request() -> None:
    _, queued, running, ready = lived(2, 12, 15)
    away = advance(ready, Event.UNREADY, at=WANTED.created_at + timedelta(seconds=20))
    again = advance(away, Event.READY, at=WANTED.created_at + timedelta(seconds=21))
    for before, after in ((queued, running), (ready, away), (away, again)):
        assert drawn(WANTED, before, after) is None
    assert drawn(spec().model_copy(update={"request": None}), running, ready) is None


async def test_what_nobody_took_waits_and_the_oldest_go_first_when_there_are_too_many() -> None:
    taken: list[Trace] = []
    away = True

    async def send(traces: Sequence[Trace]) -> None:
        if away:
            raise TryAgain("away")
        taken.extend(traces)

    *_, running, ready = lived(2, 12, 15)
    traces = Traces(send)
    for number in range(MOST + 1):
        wanted = WANTED.model_copy(update={"request": f"{number:032x}"})
        traces.stored(wanted, running, ready, answered=False)
    with pytest.raises(TryAgain):
        await traces.reconcile()
    away = False
    assert await traces.reconcile() == MOST
    assert await traces.reconcile() == 0
    assert [int(each.id, 16) for each in taken] == list(range(1, MOST + 1))
