"""Lists of entity tags, as RFC 9110 has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwvisu.api.etags import listed, named

HEADERS = [
    ('"7"', True, True),
    ('W/"7"', True, False),
    ('"6", W/"7"', True, False),
    ('W/"7", "7"', True, True),
    ('"6"  ,\t"7"', True, True),
    (',, "7",', True, True),
    ('"a,b", "7"', True, True),
    ("*", True, True),
    ('"6"', False, False),
    ("7", False, False),
    ('w/"7"', False, False),
    ('"7"x', False, False),
    ('"x, "7" "', False, False),
    ('"a,*"', False, False),
    ("", False, False),
]


@pytest.mark.parametrize(("header", "weakly", "strongly"), HEADERS)
def test_a_version_is_among_those_listed(header: str, weakly: bool, strongly: bool) -> None:
    assert (listed(header, 7), named(header, 7)) == (weakly, strongly)


def test_any_version_is_none_where_there_is_nothing() -> None:
    assert not listed("*", 0)
    assert not named("*", 0)
    assert named('"0"', 0)


@given(st.lists(st.integers(0, 20), max_size=5), st.integers(0, 20), st.text(", \t", max_size=3))
def test_any_number_of_tags(revisions: list[int], revision: int, between: str) -> None:
    header = f",{between}".join(f'"{each}"' for each in revisions)
    assert listed(header, revision) is named(header, revision) is (revision in revisions)


@given(st.text('", W/*7x', max_size=60))
def test_nothing_is_too_strange(header: str) -> None:
    assert listed(header, 7) >= named(header, 7)
