"""Ids may be cut as long as they mean one job."""

import pytest

from bwvisu.cli.naming import find, short
from bwvisu.cli.rest import Rest
from bwvisu.errors import NotFound, UserError
from tests.support.small_api import JOB_ID, SmallApi

OTHER = "01jd0000000000000000000000"


@pytest.fixture
def jobs(api: SmallApi) -> SmallApi:
    api.says(
        "GET /jobs", {"items": [{"id": JOB_ID}], "next_cursor": "c"}, {"items": [{"id": OTHER}], "next_cursor": None}
    )
    return api


@pytest.mark.parametrize("text", ["abcdef", "def", "00abcdef", JOB_ID[:-1], short(JOB_ID), " ABCDEF "])
def test_an_end_or_a_beginning_is_enough(jobs: SmallApi, rest: Rest, text: str) -> None:
    assert find(rest, text) == JOB_ID


def test_a_whole_id_asks_nobody(jobs: SmallApi, rest: Rest) -> None:
    assert find(rest, OTHER.upper()) == OTHER
    assert jobs.asked == []


def test_several_are_named(jobs: SmallApi, rest: Rest) -> None:
    with pytest.raises(UserError, match=f"01jd may be any of {JOB_ID}, {OTHER}$"):
        find(rest, "01jd")


@pytest.mark.parametrize("text", ["xyz", "ef", "", "../..", "nonsense", "a" * 27])
def test_what_is_nothing_is_not_there(jobs: SmallApi, rest: Rest, text: str) -> None:
    with pytest.raises(NotFound, match="there is no such job"):
        find(rest, text)
