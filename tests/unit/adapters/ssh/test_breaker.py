"""The breaker's pauses, by a clock that is an argument."""

from hypothesis import given
from hypothesis import strategies as st

from bwvisu.adapters.ssh.breaker import Breaker


def test_pauses_double_up_to_the_limit_and_success_ends_them() -> None:
    breaker = Breaker(first=1.0, limit=5.0)
    pauses = []
    for now in (0.0, 10.0, 20.0, 30.0):
        breaker.failed(now, "refused")
        pauses.append(breaker.pause(now))
    assert pauses == [1.0, 2.0, 4.0, 5.0]
    assert breaker.reason == "refused"
    breaker.succeeded()
    assert (breaker.pause(30.0), breaker.reason) == (0.0, "")


@given(st.integers(1, 2000), st.floats(0, 1e9))
def test_no_number_of_failures_makes_a_pause_longer_than_the_limit(failures: int, now: float) -> None:
    breaker = Breaker(first=1.0, limit=30.0)
    for _ in range(failures):
        breaker.failed(now, "refused")
    assert 0.0 < breaker.pause(now) <= 30.001
    assert breaker.pause(now + 31.0) == 0.0
