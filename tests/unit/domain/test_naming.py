"""Names that a leader without memory recognises, and nobody else's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwvisu.domain.naming import INSTALLATION, ULID, SlurmJobName

ID = "01jd0000000000000000000000"
names = st.builds(
    SlurmJobName,
    prefix=st.from_regex(r"[a-z][a-z0-9]{0,7}", fullmatch=True),
    installation=st.from_regex(INSTALLATION, fullmatch=True),
    job_id=st.from_regex(ULID, fullmatch=True),
    attempt=st.integers(1, 999_999),
).filter(lambda name: str(name).isascii())


@given(names)
def test_a_name_is_read_back(name: SlurmJobName) -> None:
    assert SlurmJobName.parse(str(name)) == name


@given(names, names)
def test_two_names_are_never_the_same(one: SlurmJobName, other: SlurmJobName) -> None:
    assert (str(one) == str(other)) == (one == other)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    name = SlurmJobName.parse(text)
    assert name is None or str(name) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bwv",
        f"bwv-abc123-{ID}",
        f"bwv-abc123-{ID}-0",
        f"bwv-abc123-{ID}-01",
        f"bwv-abc123-{ID}-1\n",
        f"bwv-abc123-{ID}-1 ",
        f"BWV-abc123-{ID}-1",
        f"bwv-abc-{ID}-1",
        f"bwv-abc123-{ID.upper()}-1",
        f"bwv-abc123-8{ID[1:]}-1",
        f"bwv-abc123-{ID}-1234567",
        f"bwv-abc123-{ID}-\u0661",
    ],
)
def test_what_only_looks_like_one_is_none(text: str) -> None:
    assert SlurmJobName.parse(text) is None
