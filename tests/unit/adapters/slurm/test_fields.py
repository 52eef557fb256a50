"""Slurm's spelling of times, limits and exits."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwvisu.adapters.slurm import fields
from bwvisu.domain.observation import ExitStatus


@pytest.mark.parametrize(("text", "value"), [("1795378843", 1795378843), ("N/A", None), ("Unknown", None), ("0", None)])
def test_times(text: str, value: int | None) -> None:
    assert fields.epoch(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("30:00", 1800), ("1:00", 60), ("1:00:00", 3600), ("2-00:00:00", 172800), ("UNLIMITED", None), ("NOT_SET", None)],
)
def test_limits(text: str, value: int | None) -> None:
    assert fields.seconds(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", ExitStatus(0, 0)),
        ("768", ExitStatus(3, 0)),
        ("9", ExitStatus(0, 9)),
        ("3:0", ExitStatus(3, 0)),
        ("0:15", ExitStatus(0, 15)),
    ],
)
def test_exits(text: str, value: ExitStatus) -> None:
    assert fields.exit_status(text) == value


@pytest.mark.parametrize("parse", [fields.epoch, fields.seconds, fields.exit_status])
@given(text=st.text(max_size=30))
def test_anything_else_is_a_value_error(parse: Callable[[str], object], text: str) -> None:
    try:
        value = parse(text)
    except ValueError:
        return
    assert value is None or set(text) <= set("0123456789:-")
