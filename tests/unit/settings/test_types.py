"""Durations survive being written and read."""

from hypothesis import given
from hypothesis import strategies as st

from bwvisu.settings.types import in_words, seconds


@given(st.integers(min_value=1, max_value=10**9))
def test_whole_seconds_are_written_as_they_are_read(duration: int) -> None:
    assert seconds(in_words(duration)) == duration


@given(st.text(max_size=20))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        read = seconds(text)
    except ValueError:
        read = None
    assert read is None or isinstance(read, float)
