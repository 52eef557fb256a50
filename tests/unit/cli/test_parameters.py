"""Arguments become what the application's JSON Schema types; faults are told by the form's labels."""

import pytest

from bwvisu.cli.parameters import in_words, on, table, typed
from bwvisu.errors import Fault, InvalidInput, UserError

PROPERTIES = {
    "n": {"type": "integer", "title": "Number", "minimum": 1, "maximum": 9, "x-unit": "min", "default": 3},
    "x": {"type": "number"},
    "b": {"type": "boolean", "default": False},
    "s": {"type": "string"},
    "c": {"oneOf": [{"const": "red", "title": "Red"}, {"const": "green", "title": "Green"}], "default": "red"},
    "i": {"oneOf": [{"const": 1, "title": "One"}, {"const": 2, "title": "Two"}], "default": 1},
}


def test_values_are_typed() -> None:
    given = ["n=3", "x=0.5", "b=TRUE", "s=a=b", "c=red", "i=2", "other=1"]
    assert typed(given, PROPERTIES) == {"n": 3, "x": 0.5, "b": True, "s": "a=b", "c": "red", "i": 2, "other": "1"}


def test_what_does_not_fit_stays_text_for_the_api_to_judge() -> None:
    assert typed(["n=many", "b=perhaps", "s=", "c=blue", "i=3"], PROPERTIES) == {
        "n": "many",
        "b": "perhaps",
        "s": "",
        "c": "blue",
        "i": "3",
    }


def test_an_argument_without_a_value_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'n' is not NAME=VALUE"):
        typed(["n"], PROPERTIES)


def test_faults_are_named_as_the_person_did() -> None:
    pointers = ("/parameters/n", "/parameters/s", "/parameters/a~1b~0c", "/user", "/cluster")
    with pytest.raises(UserError) as caught, in_words(PROPERTIES):
        raise InvalidInput([Fault(pointer, "is\nwrong\x1b[2J") for pointer in pointers])
    assert str(caught.value).splitlines() == [
        rf"{label}: is wrong\x1b[2J" for label in ("Number", "--param s", "--param a/b~c", "--user", "--cluster")
    ]


def test_parameters_are_listed_with_what_they_may_be() -> None:
    shown = table({"properties": PROPERTIES, "required": ["s"]})
    cells = [[str(cell) for cell in column.cells] for column in shown.columns]
    assert cells == [
        ["n", "x", "b", "s", "c", "i"],
        ["Number", "", "", "", "", ""],
        ["integer 1 to 9 min", "number", "true | false", "string", "red | green", "1 | 2"],
        ["3", "", "false", "required", "red", "1"],
    ]


def test_what_is_asked_only_sometimes_is_said_to_be() -> None:
    gpus = {"type": "integer", "default": 1, "x-when": {"b": [True], "c": ["red", "green"]}}
    asked = {"if": {}, "then": {"required": ["s"]}, "else": {}}
    schema = {"properties": {**PROPERTIES, "gpus": gpus}, "required": [], "allOf": [asked, {"then": {}}]}
    told = table(schema).columns
    assert [str(column.header) for column in told] == ["Parameter", "Label", "Value", "Default", "Asked where"]
    assert str(list(told[4].cells)[-1]) == "b is true and c is red or green"
    assert str(list(told[3].cells)[3]) == "required"


def test_a_cluster_may_have_a_schema_of_its_own() -> None:
    application = {"parameters": {"title": "any"}, "cluster_parameters": {"main": {"title": "main"}}}
    assert [on(application, cluster)["title"] for cluster in (None, "main", "other")] == ["any", "main", "any"]
    assert on({"parameters": {"title": "old"}}, "main") == {"title": "old"}
