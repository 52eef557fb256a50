"""Guessing is slow, for who guesses."""

import pytest

from bwvisu.portal import throttle
from bwvisu.portal.throttle import FREE, LONGEST, Throttle


def fail(counted: Throttle, who: str, times: int) -> None:
    for _ in range(times):
        counted.failed(who)


def test_a_few_mistakes_cost_nothing_and_then_each_costs_more() -> None:
    counted = Throttle(lambda: 0.0)
    waits = []
    for _ in range(FREE + 12):
        counted.failed("alice")
        waits.append(counted.wait("alice"))
    assert waits[:FREE] == [0] * FREE
    assert waits[FREE : FREE + 3] == [2, 4, 8]
    assert waits[-1] == LONGEST


def test_others_do_not_wait() -> None:
    counted = Throttle(lambda: 0.0)
    fail(counted, "alice", 20)
    assert counted.wait("bob") == 0


def test_a_wait_ends_and_a_right_password_forgets() -> None:
    now = [0.0]
    counted = Throttle(lambda: now[0])
    fail(counted, "alice", FREE + 1)
    now[0] = 2.0
    assert counted.wait("alice") == 0
    counted.succeeded("alice")
    fail(counted, "alice", FREE)
    assert counted.wait("alice") == 0


def test_memory_is_bounded_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "REMEMBERED", 3)
    counted = Throttle(lambda: 0.0)
    fail(counted, "first", FREE + 1)
    for name in ("a", "b", "c"):
        counted.failed(name)
    assert counted.wait("first") == 0


def test_a_try_that_nobody_could_judge_does_not_count() -> None:
    counted = Throttle(lambda: 0.0)
    for _ in range(3 * FREE):
        counted.failed("alice")
        counted.forgiven("alice")
    assert counted.wait("alice") == 0
    counted.forgiven("bob")
    assert counted.wait("bob") == 0
