"""Cursors survive the way to the client and back; anything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwvisu.errors import InvalidInput
from bwvisu.services.listing import Cursor

ULIDS = st.from_regex(r"[0-7][0-9a-hjkmnp-tv-z]{25}", fullmatch=True)


@given(st.integers(min_value=0, max_value=2**62), ULIDS)
def test_a_cursor_is_read_as_it_was_written(revision: int, last: str) -> None:
    assert Cursor.parse(str(Cursor(revision, last))) == Cursor(revision, last)


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        Cursor.parse(text)
    assert raised.value.faults[0].pointer == "/cursor"
