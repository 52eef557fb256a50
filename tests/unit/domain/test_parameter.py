"""What a value may be, and that the published JSON Schema says the same."""

import math

import pytest
from pydantic import TypeAdapter, ValidationError

from bwvisu.domain.declared import Unfit
from bwvisu.domain.parameter import SAFE_INTEGER, Parameter

READER: TypeAdapter[Parameter] = TypeAdapter(Parameter)


def declared(kind: str, **keys: object) -> Parameter:
    return READER.validate_python({"type": kind, **keys})


MINUTES = declared("integer", minimum=5, maximum=480, default=60, unit="min")
SHARE = declared("number", minimum=0.0, maximum=1.0)
NAME = declared("string", maximum_length=5, pattern="[a-zä]+")
FILE = declared("path")
FLAG = declared("boolean")
GPUS = declared("choice", choices=[0, 1, {"value": "all", "label": "All of them"}])


@pytest.mark.parametrize(
    ("parameter", "value", "kept"),
    [
        (MINUTES, 5, 5),
        (MINUTES, 480.0, 480),
        (SHARE, 1, 1),
        (SHARE, 0.25, 0.25),
        (NAME, "käse", "käse"),
        (declared("string"), "$(reboot) `x` \"'\\ \U0001f600 \u202e", "$(reboot) `x` \"'\\ \U0001f600 \u202e"),
        (FILE, "images/a b.sif", "images/a b.sif"),
        (FILE, "/data/x", "/data/x"),
        (FLAG, False, False),
        (GPUS, 1, 1),
        (GPUS, "all", "all"),
    ],
)
def test_good_values_are_kept_with_their_type(parameter: Parameter, value: object, kept: object) -> None:
    result = parameter.check(value)
    assert (type(result), result) == (type(kept), kept)


@pytest.mark.parametrize(
    ("parameter", "value", "complaint"),
    [
        (MINUTES, 4, "must be at least 5 min"),
        (MINUTES, 481, "must be at most 480 min"),
        (MINUTES, "60", "must be a whole number"),
        (MINUTES, True, "must be a whole number"),
        (MINUTES, 60.5, "must be a whole number"),
        (MINUTES, math.nan, "must be a whole number"),
        (MINUTES, None, "must be a whole number"),
        (declared("integer"), SAFE_INTEGER + 1, "must be at most"),
        (declared("integer"), 1e300, "must be at most"),
        (SHARE, math.nan, "finite"),
        (declared("number"), -math.inf, "finite"),
        (declared("number"), 10**400, "finite"),
        (SHARE, False, "must be a number"),
        (SHARE, 1.5, "must be at most 1"),
        (NAME, "", "must not be empty"),
        (NAME, "abcdef", "at most 5 characters"),
        (NAME, "a1", "must match"),
        (NAME, "a\n", "control characters"),
        (declared("string"), "a\0b", "control characters"),
        (declared("string"), "a\x1b[2J", "control characters"),
        (declared("string"), "a\x85b", "control characters"),
        (declared("string"), "a\u2028b", "control characters"),
        (declared("string"), "a\ud800", "control characters"),
        (declared("string"), ["a"], "must be text"),
        (declared("string"), 5, "must be text"),
        (FILE, "-rf", "must be a path"),
        (FILE, "~/x", "must be a path"),
        (FLAG, 1, "must be true or false"),
        (FLAG, "true", "must be true or false"),
        (GPUS, True, "must be one of 0, 1, all"),
        (GPUS, "1", "must be one of"),
        (GPUS, 1.0, "must be one of"),
        (GPUS, [], "must be one of"),
    ],
)
def test_bad_values_are_refused_in_words(parameter: Parameter, value: object, complaint: str) -> None:
    with pytest.raises(Unfit, match=complaint):
        parameter.check(value)


@pytest.mark.parametrize(
    ("declaration", "complaint"),
    [
        ({"type": "integer", "minimum": 5, "maximum": 4}, "minimum above its maximum"),
        ({"type": "number", "minimum": math.nan}, "minimum above its maximum"),
        ({"type": "integer", "maximum": 4, "default": 5}, "at most 4"),
        ({"type": "integer", "default": True}, "valid integer"),
        ({"type": "integer", "required": False}, "needs a default"),
        ({"type": "string", "pattern": "["}, "no regular expression"),
        ({"type": "string", "pattern": "a", "default": "b"}, "must match a"),
        ({"type": "string", "default": "a\nb"}, "control characters"),
        ({"type": "choice", "choices": []}, "at least 1"),
        ({"type": "choice", "choices": [True]}, "valid"),
        ({"type": "choice", "choices": ["a"], "default": "b"}, "must be one of a"),
        ({"type": "string", "minimum": 1}, "not permitted"),
        ({"type": "float"}, "does not match any of the expected tags"),
    ],
)
def test_declarations_that_contradict_themselves_are_refused(declaration: object, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        READER.validate_python(declaration)


@pytest.mark.parametrize(
    ("parameter", "absent"),
    [
        (MINUTES, 60),
        (SHARE, None),
        (FLAG, None),
        (declared("boolean", required=False), False),
        (declared("string", required=False, pattern="[a-z]+"), ""),
        (declared("string", default=""), ""),
        (declared("integer", default=1, required=True), None),
    ],
)
def test_what_a_request_without_it_gets(parameter: Parameter, absent: object) -> None:
    assert parameter.when_absent == absent
    assert absent is None or parameter.check(absent) == absent


@pytest.mark.parametrize(
    ("parameter", "schema"),
    [
        (MINUTES, {"type": "integer", "minimum": 5, "maximum": 480, "x-unit": "min", "default": 60}),
        (declared("number", step=0.5), {"type": "number", "x-step": 0.5}),
        (NAME, {"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^(?:[a-zä]+)$"}),
        (
            declared("string", label="Name", help="Any.", pattern="[a-z]+", required=False),
            {
                "type": "string",
                "maxLength": 1000,
                "pattern": "^(?:[a-z]+)?$",
                "title": "Name",
                "description": "Any.",
                "default": "",
            },
        ),
        (
            FILE,
            {
                "type": "string",
                "minLength": 1,
                "maxLength": 1000,
                "pattern": r"^(?![-~])[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$",
                "x-kind": "path",
            },
        ),
        (declared("boolean", default=False), {"type": "boolean", "default": False}),
        (
            GPUS,
            {
                "oneOf": [
                    {"const": 0, "title": "0"},
                    {"const": 1, "title": "1"},
                    {"const": "all", "title": "All of them"},
                ]
            },
        ),
    ],
)
def test_the_schema_says_what_is_checked(parameter: Parameter, schema: object) -> None:
    assert parameter.json_schema() == schema
