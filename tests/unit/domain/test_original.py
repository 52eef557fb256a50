"""From the original's variables to typed parameters, and back to words that its clients understand."""

import json
from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwvisu.domain.application import Application
from bwvisu.domain.original import VALUE, as_text, as_variable, read_variables
from bwvisu.errors import Fault, InvalidInput

APPLICATION = Application.model_validate_json(
    json.dumps(
        {
            "title": "A",
            "parameters": {
                "minutes": {"type": "integer", "minimum": 1, "maximum": 60},
                "scale": {"type": "number", "default": 1},
                "gpu": {"type": "boolean", "default": False},
                "size": {"type": "choice", "choices": [1, 2], "default": 1},
                "queue": {"type": "choice", "choices": ["cpu", "1"], "default": "cpu"},
                "image": {"type": "path", "required": False},
                "hidden": {"type": "string", "default": "x"},
            },
            "original": {
                "template-name": "t.txt",
                "variables": {"runtime": "minutes", "s": "scale", "g": "gpu", "n": "size", "q": "queue", "i": "image"},
            },
        }
    )
)
assert APPLICATION.original is not None
ORIGINAL = APPLICATION.original


def read(**variables: str) -> Mapping[str, object]:
    return read_variables(APPLICATION, ORIGINAL, {"runtime": "5", **variables})


def faults(variables: Mapping[str, str]) -> tuple[Fault, ...]:
    with pytest.raises(InvalidInput) as caught:
        read_variables(APPLICATION, ORIGINAL, variables)
    return caught.value.faults


def test_only_what_is_named_is_said() -> None:
    assert read() == {"minutes": 5}


@pytest.mark.parametrize(
    ("variable", "text", "parameter", "value"),
    [
        ("runtime", "007", "minutes", 7),
        ("s", "2", "scale", 2),
        ("s", "-0.5", "scale", -0.5),
        ("g", "true", "gpu", True),
        ("g", "false", "gpu", False),
        ("n", "2", "size", 2),
        ("q", "1", "queue", "1"),
        ("i", "a/b-c_d.sif", "image", "a/b-c_d.sif"),
        ("i", "", "image", ""),
    ],
)
def test_text_becomes_what_the_parameter_is(variable: str, text: str, parameter: str, value: object) -> None:
    found = read(**{variable: text})[parameter]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("variable", "text", "complaint"),
    [
        ("runtime", "1.0", "runtime must be a whole number"),
        ("runtime", "", "runtime must be a whole number"),
        ("runtime", "9" * 17, "runtime must be a whole number"),
        ("runtime", "61", "runtime must be at most 60"),
        ("s", "1e3", "s must be a number"),
        ("s", "-", "s must be a number"),
        ("g", "True", "g must be true or false"),
        ("g", "1", "g must be true or false"),
        ("n", "3", "n must be one of 1, 2"),
        ("q", "gpu", "q must be one of cpu, 1"),
        ("i", "a b", "i may hold only letters, digits and . / - _"),
        ("i", "a\n", "i may hold only letters, digits and . / - _"),
        ("i", "é", "i may hold only letters, digits and . / - _"),
        ("i", "\u0664", "i may hold only letters, digits and . / - _"),
    ],
)
def test_what_does_not_fit_is_told_of_the_variable(variable: str, text: str, complaint: str) -> None:
    assert faults({"runtime": "5", variable: text}) == (Fault(f"/variables/{variable}", complaint),)


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert faults({"minutes": "5", "g": "maybe", "hidden": "x"}) == (
        Fault("/variables/minutes", "the application has no variable 'minutes'"),
        Fault("/variables/hidden", "the application has no variable 'hidden'"),
        Fault("/variables/runtime", "runtime is required"),
        Fault("/variables/g", "g must be true or false"),
    )


def test_a_flood_of_unknown_variables_gets_a_short_answer() -> None:
    told = faults({"runtime": "5"} | {f"v{number}" + "x" * 1000: "1" for number in range(5000)})
    assert len(told) == 20
    assert all(len(fault.pointer) < 120 and len(fault.detail) < 150 for fault in told)


def test_a_parameters_fault_is_told_of_its_variable_and_others_stay() -> None:
    fault = Fault("/parameters/image", "image may not be; image is wrong")
    assert as_variable(fault, ORIGINAL) == Fault("/variables/i", "i may not be; image is wrong")
    assert as_variable(Fault("/uid", "is unknown"), ORIGINAL) == Fault("/uid", "is unknown")


@given(st.dictionaries(st.sampled_from([*ORIGINAL.variables, "other"]), st.text(max_size=20)))
def test_whatever_comes_is_read_or_refused_and_what_is_read_passes_the_applications_own_check(
    variables: Mapping[str, str],
) -> None:
    with suppress(InvalidInput):
        parameters = read_variables(APPLICATION, ORIGINAL, variables)
        assert all(VALUE.fullmatch(text) for text in variables.values())
        assert APPLICATION.check(parameters).items() >= parameters.items()


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (False, "false"), (5, "5"), (0.5, "0.5"), ("a", "a")])
def test_values_are_shown_as_a_variable_would_hold_them(value: str | float, text: str) -> None:
    assert as_text(value) == text


def test_whether_a_variable_with_a_condition_is_asked_is_judged_when_all_are_read() -> None:
    parameters = {
        "gpu": {"type": "boolean", "default": False},
        "project": {"type": "string", "when": {"gpu": True}},
    }
    original = {"template-name": "t.txt", "variables": {"g": "gpu", "p": "project"}}
    text = json.dumps({"title": "A", "parameters": parameters, "original": original})
    application = Application.model_validate_json(text)
    assert application.original is not None
    read = read_variables(application, application.original, {"g": "false", "p": ""})
    assert application.check(read) == {"gpu": False, "project": ""}
    assert read_variables(application, application.original, {"g": "true"}) == {"gpu": True}
    with pytest.raises(InvalidInput) as caught:
        application.check({"gpu": True})
    (fault,) = caught.value.faults
    assert as_variable(fault, application.original) == Fault("/variables/p", "p is required")
