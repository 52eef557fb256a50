"""Watching ends well only where it was to end."""

import pytest

from bwvisu.cli.watching import Goal, reached


@pytest.mark.parametrize(
    ("state", "outcome", "goal", "there"),
    [
        ("available", None, Goal.AVAILABLE, True),
        ("finished", "failed", Goal.AVAILABLE, False),
        ("finished", "completed", Goal.AVAILABLE, False),
        ("finished", "completed", Goal.FINISHED, True),
        ("finished", "cancelled", Goal.FINISHED, True),
        ("finished", "timeout", Goal.FINISHED, False),
    ],
)
def test_watching_ends_well_only_where_it_was_to_end(state: str, outcome: str | None, goal: Goal, there: bool) -> None:
    assert reached({"state": state, "outcome": outcome}, goal) is there
