"""How often one asker may ask: the decision alone, on a clock of the test's own."""

import pytest

from bwvisu.api.rate import Gate
from bwvisu.api.source import source_of
from bwvisu.settings import RateSettings

RATE = RateSettings(requests_per_second=10, burst=3, stranger_requests_per_second=1, stranger_burst=2)
GOOD, OTHER = b"good", b"other"


def test_a_token_has_its_burst_and_then_its_pace_wherever_it_asks_from() -> None:
    gate = Gate(RATE)
    assert [gate.wait(source, GOOD, "portal", 0.0) for source in ("a", "b", "a")] == [0, 0, 0]
    assert gate.wait("a", GOOD, "portal", 0.0) == pytest.approx(0.1)
    assert gate.wait("a", GOOD, "portal", 0.1) == 0
    assert gate.wait("a", OTHER, "other", 0.0) == 0, "another token has its own"


def test_guesses_run_out_and_a_right_one_is_then_not_told_apart() -> None:
    gate = Gate(RATE)
    assert [gate.wait("a", bytes([guess]), None, 0.0) for guess in range(2)] == [0, 0]
    assert gate.wait("a", b"wrong", None, 0.0) == gate.wait("a", GOOD, "portal", 0.0) == pytest.approx(1)
    assert gate.wait("b", GOOD, "portal", 0.0) == 0, "elsewhere nobody has guessed"


def test_who_was_good_before_is_not_locked_out_by_others_behind_the_same_proxy() -> None:
    gate = Gate(RATE)
    assert gate.wait("proxy", GOOD, "portal", 0.0) == 0
    assert [gate.wait("proxy", b"bad", None, 0.0) > 0 for _ in range(50)] == [False] + [True] * 49
    assert gate.wait("proxy", GOOD, "portal", 0.0) == 0


def test_memory_is_bounded() -> None:
    gate = Gate(RATE)
    for number in range(25_000):
        gate.wait(f"source-{number}", GOOD, "portal", float(number))
    assert len(gate) <= 10_000


@pytest.mark.parametrize(
    ("client", "source"),
    [
        (("10.0.0.7", 1), "10.0.0.7"),
        (("::ffff:10.0.0.7", 1), "10.0.0.7"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64"),
        (("unknown", 0), ""),
        (None, ""),
    ],
)
def test_one_machine_is_one_source(client: tuple[str, int] | None, source: str) -> None:
    assert source_of({"type": "http", "client": client}) == source
