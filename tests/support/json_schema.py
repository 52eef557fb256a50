"""A small validator of JSON Schema (2020-12): the keywords that we publish, and an error for any other."""

import re
from collections.abc import Callable, Mapping
from typing import Any

HINTS = {"$schema", "title", "description", "default", "x-unit", "x-step", "x-kind", "x-when"}
TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: not isinstance(value, bool) and isinstance(value, int | float) and value == int(value),
    "number": lambda value: not isinstance(value, bool) and isinstance(value, int | float),
}


def valid(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether the schema lets the value pass."""
    if "if" in schema:
        branch = schema.get("then" if valid(value, schema["if"]) else "else", {})
        if not valid(value, branch):
            return False
    rest = {key: argument for key, argument in schema.items() if key not in {*HINTS, "if", "then", "else"}}
    return all(KEYWORDS[key](value, argument, schema) for key, argument in rest.items())


def equal(one: Any, other: Any) -> bool:
    """As JSON has it: 1 is 1.0 and not true."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def is_number(value: Any) -> bool:
    return TYPES["number"](value)


KEYWORDS: Mapping[str, Callable[[Any, Any, Mapping[str, Any]], bool]] = {
    "type": lambda value, kind, _: TYPES[kind](value),
    "const": lambda value, other, _: equal(value, other),
    "enum": lambda value, others, _: any(equal(value, other) for other in others),
    "oneOf": lambda value, choices, _: sum(valid(value, choice) for choice in choices) == 1,
    "allOf": lambda value, parts, _: all(valid(value, part) for part in parts),
    "minimum": lambda value, limit, _: not is_number(value) or value >= limit,
    "maximum": lambda value, limit, _: not is_number(value) or value <= limit,
    "minLength": lambda value, length, _: not isinstance(value, str) or len(value) >= length,
    "maxLength": lambda value, length, _: not isinstance(value, str) or len(value) <= length,
    "pattern": lambda value, pattern, _: not isinstance(value, str) or re.search(pattern, value) is not None,
    "required": lambda value, names, _: not isinstance(value, dict) or all(name in value for name in names),
    "properties": lambda value, parts, _: (
        not isinstance(value, dict) or all(valid(value[name], part) for name, part in parts.items() if name in value)
    ),
    "additionalProperties": lambda value, allowed, schema: allowed or value.keys() <= schema["properties"].keys(),
}
