"""When a person has as many jobs as are allowed."""

import pytest

from bwvisu.domain.quota import Full, Places, full

JOBS = {"1": "xpra", "2": "xpra", "3": "jupyter"}


@pytest.mark.parametrize(
    ("places", "application", "expected"),
    [
        (Places(), "xpra", None),
        (Places(running=4), "xpra", None),
        (Places(running=3), "xpra", Full(3, 3)),
        (Places(running=2), "xpra", Full(3, 2)),
        (Places(running=1, waiting=2), "xpra", Full(3, 3)),
        (Places(running=1, waiting=3), "xpra", None),
        (Places(waiting=9), "xpra", None),
        (Places(application=2), "xpra", Full(2, 2, "xpra")),
        (Places(application=2), "jupyter", None),
        (Places(running=3, application=2), "xpra", Full(3, 3)),
        (Places(running=9, application=2), "xpra", Full(2, 2, "xpra")),
    ],
)
def test_a_place_is_free_or_the_numbers_say_why_not(places: Places, application: str, expected: Full | None) -> None:
    assert full(JOBS, application, places) == expected


def test_nothing_is_counted_where_nothing_is_limited() -> None:
    assert not Places().limited
    assert Places(running=1).limited
    assert Places(application=1).limited
