"""Forms from JSON Schema, and what was posted as parameters."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwvisu.errors import Fault
from bwvisu.portal.form import fields, general_faults, more, parameters, shown

SCHEMA: dict[str, Any] = {
    "properties": {
        "minutes": {"type": "integer", "minimum": 5, "maximum": 60, "x-unit": "min", "x-step": 5, "default": 15},
        "scale": {"type": "number", "default": 1.5, "title": "Scale", "description": "Of everything."},
        "gpu": {"type": "boolean", "default": False},
        "driver": {
            "oneOf": [{"const": "a", "title": "Driver A"}, {"const": 2, "title": "Driver 2"}],
            "default": "a",
            "x-when": {"gpu": [True]},
        },
        "colour": {"enum": ["red", "green"], "default": "red"},
        "folder": {"type": "string", "x-kind": "path", "default": ""},
        "title": {"type": "string"},
    },
    "required": ["title"],
}


def posted(**values: str) -> dict[str, str]:
    return {f"p.{name}": value for name, value in values.items()}


def test_fields_are_in_the_order_of_the_schema_with_its_words_and_bounds() -> None:
    form = {field.name: field for field in fields(SCHEMA)}
    assert list(form) == list(SCHEMA["properties"])
    minutes = form["minutes"]
    assert (minutes.kind, minutes.value, minutes.minimum, minutes.maximum) == ("integer", "15", 5, 60)
    assert (minutes.step, minutes.unit, minutes.title) == ("5", "min", "minutes")
    assert (form["scale"].kind, form["scale"].step, form["scale"].help) == ("number", "any", "Of everything.")
    assert [(each.value, each.title) for each in form["driver"].choices] == [("a", "Driver A"), ("2", "Driver 2")]
    assert [each.kind for each in form.values()] == ["integer", "number", "boolean", "choice", "choice", "path", "text"]
    assert form["driver"].conditions == "gpu=true"
    assert form["title"].required
    assert form["minutes"].resource
    assert not form["folder"].resource


def test_faults_stand_beside_their_fields_and_the_others_above_the_form() -> None:
    faults = [Fault("/parameters/minutes", "at most 60"), Fault("/user", "unknown"), Fault("", "no room")]
    wrong = {field.name: field.error for field in fields(SCHEMA, {"minutes": 99}, faults) if field.error}
    assert wrong == {"minutes": "at most 60"}
    assert general_faults(SCHEMA, faults) == ["unknown", "no room"]
    assert next(field.value for field in fields(SCHEMA, {"minutes": 99}, faults)) == "99"


def test_what_was_posted_is_typed_as_the_schema_says() -> None:
    form = posted(minutes="30", scale="2,5", gpu="true", driver="2", colour="green", folder="/a b", title="x\r\ny")
    assert parameters(SCHEMA, form) == {
        "minutes": 30,
        "scale": 2.5,
        "gpu": True,
        "driver": 2,
        "colour": "green",
        "folder": "/a b",
        "title": "x\ny",
    }


def test_a_parameter_that_is_not_asked_for_is_left_out() -> None:
    assert "driver" not in parameters(SCHEMA, posted(driver="2"))
    assert parameters(SCHEMA, posted(driver="2"))["gpu"] is False


@pytest.mark.parametrize("text", ["five", "1e999", "nan", "1_0", "٣"])
def test_what_is_no_number_stays_text_so_that_the_api_says_what_is_wrong(text: str) -> None:
    assert parameters(SCHEMA, posted(minutes=text))["minutes"] == text


def test_an_emptied_number_falls_back_to_its_default() -> None:
    assert "minutes" not in parameters(SCHEMA, posted(minutes=" "))


@given(st.dictionaries(st.sampled_from([f"p.{name}" for name in SCHEMA["properties"]]), st.text()))
def test_whatever_is_posted_can_be_sent_to_the_api_and_shown_again(form: dict[str, str]) -> None:
    values = parameters(SCHEMA, form)
    json.dumps(values, allow_nan=False)
    assert {field.name for field in fields(SCHEMA, values)} == set(SCHEMA["properties"])


@pytest.mark.parametrize(
    ("values", "name", "wanted"),
    [
        ({"minutes": 20}, "minutes", {"minutes": 40}),
        ({"minutes": 40}, "minutes", {"minutes": 60}),  # as far as the limit goes
        ({"minutes": 90}, "minutes", {"minutes": 90}),  # the limit was lowered since: never less than there was
        ({"gpu": True}, "gpu", {"gpu": True}),
        ({"minutes": 20}, "memory", {"minutes": 20}),
        ({"minutes": 20}, "", {"minutes": 20}),
    ],
)
def test_what_there_was_too_little_of_is_doubled(values: dict[str, Any], name: str, wanted: dict[str, Any]) -> None:
    assert more(SCHEMA, values, name) == wanted


def test_a_job_s_values_are_shown_by_titles_with_units() -> None:
    values = {"minutes": 30, "driver": 2, "gpu": False, "folder": "", "gone": "x"}
    assert shown(SCHEMA, values) == [
        ("minutes", "30 min"),
        ("driver", "Driver 2"),
        ("gpu", False),
        ("folder", ""),
        ("gone", "x"),
    ]


def test_limits_that_are_none_are_not_shown() -> None:
    (field,) = fields({"properties": {"n": {"type": "integer", "minimum": -(2**53) + 1, "maximum": 2**53 - 1}}})
    assert (field.minimum, field.maximum) == (None, None)


def test_a_parameter_that_hangs_on_one_that_is_not_asked_for_is_left_out_too() -> None:
    chain = {
        "gpu": {"type": "boolean"},
        "kind": {"enum": ["a", "b"], "default": "a", "x-when": {"gpu": [True]}},
        "count": {"type": "integer", "default": 1, "x-when": {"kind": ["b"]}},
    }
    form = posted(kind="b", count="3")
    assert parameters({"properties": chain}, form) == {"gpu": False}
    assert parameters({"properties": chain}, {**form, "p.gpu": "true"}) == {"gpu": True, "kind": "b", "count": 3}
