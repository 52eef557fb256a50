"""What a frontend keeps for a person: a JSON object of its own, of bounded size and depth."""

import json
from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from bwvisu.domain.job import Record

LONGEST = 32 * 1024
"""Bytes of compact JSON in UTF-8."""
DEEPEST = 16
"""Objects and lists within each other, the outermost one counted."""

Values = Mapping[str, JsonValue]


class Preferences(Record):
    """The record ``preferences/{user}``."""

    values: dict[str, JsonValue]
    changed_at: datetime
    changed_by: str
    """Name of the token that asked."""


def objection(values: Values) -> str:
    """Why they cannot be kept; empty: they can."""
    if _deeper(values, DEEPEST):
        return f"is nested more than {DEEPEST} levels deep"
    try:
        size = len(json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())
    except UnicodeEncodeError:
        return "holds half of a character"
    except ValueError:
        return "holds a number that JSON cannot hold"
    return f"has {size} bytes; at most {LONGEST} are kept" if size > LONGEST else ""


def _deeper(value: object, levels: int) -> bool:
    match value:
        case dict():
            return levels == 0 or any(_deeper(inner, levels - 1) for inner in value.values())
        case list():
            return levels == 0 or any(_deeper(inner, levels - 1) for inner in value)
        case _:
            return False
