"""Event streams: nothing is missed or told twice, whatever becomes of the connection."""

from contextlib import closing
from itertools import islice
from typing import Any

import pytest
from starlette.responses import Response

from bwvisu.cli.profiles import Connection
from bwvisu.cli.rest import Rest
from bwvisu.cli.stream import LONGEST_PAUSE, PATIENCE, follow
from bwvisu.errors import NotFound, OperatorError, TryAgain
from bwvisu.rest import Removed
from tests.support.small_api import JOB_ID, SmallApi, event, job, problem, snapshot

ONE, TWO, THREE = (job(revision=number) for number in (1, 2, 3))


class Time:
    """Passes when it is waited for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.lost: list[str | None] = []

    def wait(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def told(rest: Rest, count: int, time: Time | None = None) -> list[Any]:
    """The first ``count`` changes; [] of it: none may come."""
    time = time or Time()
    changes = follow(
        rest,
        f"/jobs/{JOB_ID}/events",
        {},
        lost=lambda error: time.lost.append(str(error) if error else None),
        wait=time.wait,
        now=lambda: time.now,
    )
    with closing(changes):
        return list(islice(changes, count))


def resumed_from(api: SmallApi) -> list[str | None]:
    return [headers.get("last-event-id") for headers in api.headers(f"GET /jobs/{JOB_ID}/events")]


def test_a_job_as_it_is_and_every_change(api: SmallApi, rest: Rest) -> None:
    api.streams = [[": hello\n\n", snapshot(ONE), event("job", TWO, "1.2"), event("job", THREE, "1.3")]]
    assert told(rest, 3) == [ONE, TWO, THREE]
    assert api.headers(f"GET /jobs/{JOB_ID}/events")[0]["accept"] == "text/event-stream"


def test_a_lost_connection_is_resumed_after_the_last_event(api: SmallApi, rest: Rest) -> None:
    api.streams = [[snapshot(ONE), event("job", TWO, "1.2")], [event("job", THREE, "1.3")]]
    assert told(rest, 3) == [ONE, TWO, THREE]
    assert resumed_from(api) == [None, "1.2"]


def test_an_event_that_is_cut_off_is_none(api: SmallApi, rest: Rest) -> None:
    api.streams = [[snapshot(ONE), event("job", TWO, "1.2").rstrip("\n")], [event("job", THREE, "1.3")]]
    assert told(rest, 2) == [ONE, THREE]
    assert resumed_from(api) == [None, "1.1"]


def test_what_is_told_twice_is_no_news(api: SmallApi, rest: Rest) -> None:
    api.streams = [[snapshot(ONE)], [event("resync", {"reason": "history"}), snapshot(ONE), event("job", TWO, "1.2")]]
    assert told(rest, 2) == [ONE, TWO]


def test_after_a_resync_the_snapshot_tells_what_was_missed(api: SmallApi, rest: Rest) -> None:
    other = job(id="01jd0000000000000000000000")
    api.streams = [[snapshot(ONE, other), event("resync", {"reason": "slow"}), snapshot(THREE, last_id="1.9")]]
    assert told(rest, 4) == [ONE, other, Removed(other["id"]), THREE]


def test_a_snapshot_in_pieces_is_one(api: SmallApi, rest: Rest) -> None:
    other = job(id="01jd0000000000000000000000")
    api.streams = [[snapshot(other, complete=False)], [snapshot(ONE, complete=False), snapshot(TWO, complete=True)]]
    assert told(rest, 1) == [TWO]
    assert resumed_from(api) == [None, None]


def test_a_forgotten_job_is_told_once(api: SmallApi, rest: Rest) -> None:
    gone = event("removed", {"id": JOB_ID, "revision": 5}, "1.5")
    api.streams = [[snapshot(ONE), gone, gone, event("job", TWO, "1.6")]]
    assert told(rest, 3) == [ONE, Removed(JOB_ID), TWO]


def test_events_that_are_not_known_are_passed_over(api: SmallApi, rest: Rest) -> None:
    api.streams = [[snapshot(ONE), event("news", {"x": 1}, "1.2")], [event("job", TWO, "1.3")]]
    assert told(rest, 2) == [ONE, TWO]
    assert resumed_from(api) == [None, "1.2"]


def test_a_busy_api_is_given_the_time_that_it_asks_for(api: SmallApi, rest: Rest) -> None:
    time = Time()
    api.streams = [problem(503, "unavailable", "etcd is away", after=7), [snapshot(ONE)]]
    assert told(rest, 1, time) == [ONE]
    assert (time.pauses, time.lost) == ([7], ["etcd is away", None])


def test_a_dead_api_is_tried_ever_more_rarely_and_then_given_up() -> None:
    time = Time()
    with Rest(Connection("http://127.0.0.1:1", "t")) as dead, pytest.raises(TryAgain, match="does not answer"):
        told(dead, 1, time)
    assert time.pauses == sorted(time.pauses)
    assert max(time.pauses) == LONGEST_PAUSE
    assert PATIENCE < time.now < PATIENCE + 2 * LONGEST_PAUSE


def test_a_job_that_is_not_there_is_not_waited_for(rest: Rest) -> None:
    with pytest.raises(NotFound, match="there is no such job"):
        told(rest, 1)


@pytest.mark.parametrize("data", ["{", "[]"])
def test_nonsense_is_no_event(api: SmallApi, rest: Rest, data: str) -> None:
    api.streams = [[f"event: job\ndata: {data}\n\n"]]
    with pytest.raises(OperatorError, match="event stream"):
        told(rest, 1)


def test_a_page_instead_of_a_stream_is_tried_again(api: SmallApi, rest: Rest) -> None:
    time = Time()
    api.streams = [Response("<html>", media_type="text/html"), [snapshot(ONE)]]
    assert told(rest, 1, time) == [ONE]
    assert "text/event-stream" in str(time.lost[0])
