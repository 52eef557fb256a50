"""Example values: all of them may be, and together they go everywhere."""

import json

import pytest
from hypothesis import example, given
from pydantic import ValidationError

from bwvisu.domain.application import Application
from bwvisu.domain.examples import HOSTILE, MOST, NoExample, examples
from tests.support.effort import effort
from tests.unit.domain.test_asking import application
from tests.unit.domain.test_asking_properties import parameters


def test_they_are_the_extremes_every_choice_and_hostile_texts() -> None:
    app = application(
        {
            "n": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
            "x": {"type": "number"},
            "t": {"type": "string", "required": False, "maximum_length": 300},
            "p": {"type": "path"},
            "c": {"type": "choice", "choices": ["a", "b", 3], "default": "b"},
        }
    )
    made = {each.what: each.values for each in examples(app)}
    assert made["what is given by default"] == {"n": 3, "x": -1234567.5, "t": "", "p": "a", "c": "b"}
    assert made["the lowest values"]["n"] == 1
    highest = made["the highest values"]
    assert (highest["n"], highest["x"], highest["t"], highest["c"]) == (9, 1234567.5, "x" * 200, 3)
    assert (made["hostile texts"]["t"], made["hostile texts"]["p"]) == (HOSTILE[0], HOSTILE[0])
    assert {values["c"] for values in made.values()} == {"a", "b", 3}


def test_each_condition_holds_once() -> None:
    made = [each.values for each in examples(application())]
    assert any(values["mode"] == "gpu" and values["share"] is False for values in made)
    assert any(values["note"] for values in made)


def test_a_pattern_is_met_or_the_parameter_is_named() -> None:
    time = {"type": "string", "pattern": r"\d\d:\d\d:\d\d"}
    assert examples(application({"t": time}))[0].values == {"t": "00:10:00"}
    with pytest.raises(NoExample, match="odd"):
        examples(application({"odd": {"type": "string", "pattern": "q[u]{3}x"}}))
    default = {"type": "string", "pattern": "q[u]{3}x", "default": "quuux", "required": True}
    assert examples(application({"odd": default}))[0].values == {"odd": "quuux"}


@effort(1)
@example({"a": {"type": "number", "clusters": {"here": {"minimum": 1}}}, "b": {"type": "boolean", "when": {"a": 0}}})
@given(parameters())
def test_every_example_is_a_request_that_is_accepted(wanted: dict[str, dict[str, object]]) -> None:
    try:
        app = Application.model_validate_json(json.dumps({"title": "T", "parameters": wanted}))
    except ValidationError:
        return
    for there in (app, app.on("here")):
        made = examples(there)
        assert 1 <= len(made) <= MOST
        assert all(there.check(each.values) == each.values for each in made)
