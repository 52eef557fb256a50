"""What may be kept for a person."""

import json

import pytest
from pydantic import JsonValue

from bwvisu.domain.preferences import DEEPEST, LONGEST, objection


def nested(levels: int) -> dict[str, JsonValue]:
    inner: JsonValue = 1
    for level in range(levels - 1):
        inner = [inner] if level % 2 else {"in": inner}
    return {"in": inner}


def of_size(size: int) -> dict[str, JsonValue]:
    return {"text": "x" * (size - len('{"text":""}'))}


@pytest.mark.parametrize("values", [{}, {"é": "ü☃"}, nested(DEEPEST), of_size(LONGEST), {"n": 1e308, "i": 10**300}])
def test_any_object_within_the_bounds_is_kept(values: dict[str, JsonValue]) -> None:
    assert objection(values) == ""


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (nested(DEEPEST + 1), "is nested more than 16 levels deep"),
        (json.loads('{"in":' * 200 + "1" + "}" * 200), "is nested more than 16 levels deep"),
        (of_size(LONGEST + 1), "has 32769 bytes; at most 32768 are kept"),
        ({"text": "☃" * 11_000}, "has 33011 bytes; at most 32768 are kept"),
        ({"x": float("nan")}, "holds a number that JSON cannot hold"),
        ({"x": [float("inf")]}, "holds a number that JSON cannot hold"),
        ({"x": "\ud800"}, "holds half of a character"),
        ({"\udfff": 1}, "holds half of a character"),
    ],
)
def test_what_cannot_be_kept_is_told(values: dict[str, JsonValue], why: str) -> None:
    assert objection(values) == why
