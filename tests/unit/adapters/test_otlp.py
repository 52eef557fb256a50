"""Traces as a collector takes them."""

from datetime import UTC, datetime

import pytest

from bwvisu.adapters.otlp import Collector
from bwvisu.domain.trace import Span, Trace
from bwvisu.errors import OperatorError, TryAgain
from tests.support.collector import collector
from tests.support.waiting import free_port

AT = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
LATER = AT.replace(second=3, microsecond=500_000)
TRACE = Trace("0f9a6f0e3c5b4d0c8a41d7b29e63c5f1", "job", "main", "desktop", (Span("accepted", AT, LATER),))


async def test_a_trace_is_a_job_and_below_it_its_states() -> None:
    with collector() as taken:
        await Collector(taken.url, token="word").send([TRACE])
    root, child = taken.of(TRACE.id)
    assert (root["name"], child["name"], child["parentSpanId"]) == ("job", "accepted", root["spanId"])
    assert (len(root["spanId"]), root["spanId"] == child["spanId"]) == (16, False)
    assert int(child["endTimeUnixNano"]) - int(child["startTimeUnixNano"]) == 3_500_000_000
    assert "status" not in root
    assert {each["key"]: each["value"]["stringValue"] for each in root["attributes"]}["bwvisu.application"] == "desktop"
    assert taken.tokens == ["Bearer word"]


async def test_a_trace_that_came_to_nothing_is_an_error() -> None:
    with collector() as taken:
        await Collector(taken.url).send([Trace(TRACE.id, "job", "main", "desktop", TRACE.spans, "out-of-memory")])
    assert taken.of(TRACE.id)[0]["status"] == {"code": 2, "message": "out-of-memory"}


@pytest.mark.parametrize(("status", "error"), [(503, TryAgain), (429, TryAgain), (401, OperatorError)])
async def test_what_was_not_taken_is_told_by_who_must_act(status: int, error: type[Exception]) -> None:
    with collector() as taken:
        taken.status = status
        with pytest.raises(error, match=str(status)):
            await Collector(taken.url).send([TRACE])


async def test_where_nobody_is_it_is_tried_again() -> None:
    with pytest.raises(TryAgain, match="does not answer"):
        await Collector(f"http://127.0.0.1:{free_port()}/v1/traces").send([TRACE])
