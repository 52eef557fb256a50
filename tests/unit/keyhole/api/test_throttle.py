"""Buckets: a burst, then a rate, in bounded memory."""

import pytest

from keyhole.throttle import Buckets


def test_a_burst_then_the_rate() -> None:
    buckets = Buckets(burst=3, per_second=0.5)
    assert [buckets.take("a", now=100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 2.0]
    assert buckets.take("a", now=101.0) == pytest.approx(1.0)
    assert buckets.take("a", now=102.0) == 0.0
    assert buckets.take("a", now=102.0) == pytest.approx(2.0)


def test_it_never_holds_more_than_a_burst() -> None:
    buckets = Buckets(burst=2, per_second=1.0)
    buckets.take("a", now=0.0)
    assert [buckets.take("a", now=1000.0) > 0 for _ in range(3)] == [False, False, True]


def test_keys_are_independent_and_the_longest_unused_is_forgotten() -> None:
    buckets = Buckets(burst=1, per_second=0.001, keys=2)
    for key in ("a", "b", "a", "c"):
        buckets.take(key, now=0.0)
    assert len(buckets) == 2
    assert buckets.take("a", now=0.0) > 0
    assert buckets.take("b", now=0.0) == 0.0
