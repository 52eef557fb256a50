"""Parameters that are asked only sometimes, and those that are narrower on some clusters."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from bwvisu.domain.application import Application
from bwvisu.errors import Fault, InvalidInput

GPU = {
    "mode": {"type": "choice", "choices": ["cpu", "gpu", {"value": "fat", "label": "Much memory"}], "default": "cpu"},
    "share": {"type": "boolean", "default": True, "when": {"mode": "gpu"}},
    "gpus": {"type": "integer", "minimum": 1, "maximum": 8, "default": 2, "when": {"mode": "gpu", "share": False}},
    "project": {"type": "string", "when": {"mode": ["gpu", "fat"]}},
    "note": {"type": "string", "required": False, "when": {"project": "x"}},
}


def application(parameters: object = GPU, **keys: object) -> Application:
    return Application.model_validate_json(json.dumps({"title": "A", "parameters": parameters, **keys}))


def faults(given: dict[str, object], app: Application | None = None) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        (app or application()).check(given)
    assert all(isinstance(fault, Fault) for fault in caught.value.faults)
    return [(fault.pointer.removeprefix("/parameters/"), fault.detail) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({}, {"mode": "cpu", "share": True, "gpus": 2, "project": "", "note": ""}),
        ({"mode": "fat", "project": "p"}, {"mode": "fat", "share": True, "gpus": 2, "project": "p", "note": ""}),
        (
            {"mode": "gpu", "share": False, "gpus": 4.0, "project": "x", "note": "n"},
            {"mode": "gpu", "share": False, "gpus": 4, "project": "x", "note": "n"},
        ),
    ],
)
def test_every_parameter_has_a_value_whether_it_is_asked_or_not(
    given: dict[str, object], values: dict[str, object]
) -> None:
    checked = application().check(given)
    assert list(checked.items()) == list(values.items())
    assert application().check(checked) == checked, "what a job shows can be sent again"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"gpus": 4}, [("gpus", "gpus is asked only where mode is gpu and share is false")]),
        ({"share": False}, [("share", "share is asked only where mode is gpu")]),
        ({"share": 1}, [("share", "share is asked only where mode is gpu")]),
        ({"mode": "gpu"}, [("project", "project is required")]),
        ({"mode": "fat", "project": ""}, [("project", "project must not be empty")]),
        (
            {"mode": "gpu", "project": "p", "gpus": 3},
            [("gpus", "gpus is asked only where mode is gpu and share is false")],
        ),
        ({"project": "p"}, [("project", "project is asked only where mode is gpu or fat")]),
        ({"mode": "gpus", "gpus": 99, "note": 5}, [("mode", "mode must be one of cpu, gpu, fat")]),
        ({"note": "n"}, [("note", "note is asked only where mode is gpu or fat and project is x")]),
    ],
)
def test_a_value_that_would_have_no_effect_is_refused(given: dict[str, object], told: list[tuple[str, str]]) -> None:
    assert faults(given) == told


FLAG = {"type": "boolean", "default": False}


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"a": {**FLAG, "when": {"b": True}}, "b": FLAG}, "'b' has a value, which is no parameter before it"),
        ({"a": {**FLAG, "when": {"a": True}}}, "'a' has a value, which is no parameter before it"),
        ({"a": FLAG, "b": {**FLAG, "when": {"a": "true"}}}, "a has a value that may not be: it must be true or false"),
        ({"a": FLAG, "b": {**FLAG, "when": {"a": 1}}}, "must be true or false"),
        ({"a": FLAG, "b": {**FLAG, "when": {"a": []}}}, "names no value of a"),
        ({"a": FLAG, "b": {**FLAG, "when": {"a": None}}}, "when"),
        ({"a": FLAG, "b": {**FLAG, "when": ["a"]}}, "when"),
        ({"a": FLAG, "n": {"type": "integer", "when": {"a": True}}}, "not always asked, so it needs a default"),
        ({"a": FLAG, "n": {"type": "choice", "choices": [1], "when": {"a": True}}}, "needs a default"),
        (
            {"a": FLAG, "b": {**FLAG, "when": {"a": True}}, "c": {**FLAG, "when": {"b": True, "a": False}}},
            "c can never be asked",
        ),
        (
            {"p0": FLAG} | {f"p{n}": {**FLAG, "when": {f"p{n - 1}": True}} for n in range(1, 12)},
            "p11 hangs on more than 10",
        ),
    ],
)
def test_a_condition_that_cannot_work_is_refused(parameters: object, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        application(parameters)


def test_the_schema_tells_conditions_to_validators_and_to_forms() -> None:
    schema = application().json_schema()
    assert schema["required"] == []
    properties: Any = schema["properties"]
    assert properties["gpus"]["x-when"] == {"mode": ["gpu"], "share": [False]}
    assert "x-when" not in properties["mode"]
    branches: Any = schema["allOf"]
    assert branches[0] == {  # share has a default: a request may leave it out
        "if": {"properties": {"mode": {"enum": ["gpu"]}}, "required": ["mode"]},
        "then": {},
        "else": {"properties": {"share": {"const": True}}},
    }
    assert branches[2]["then"] == {"required": ["project"], "properties": {"project": {"minLength": 1}}}
    assert "allOf" not in application({"a": FLAG}).json_schema()


CORES = {"type": "integer", "minimum": 1, "maximum": 64, "default": 16}
CORES_THERE = {"main": {"maximum": 8, "default": 4}, "fat": {"minimum": 16}}
QUEUE = {"type": "choice", "choices": [{"value": "cpu", "label": "Processors"}, "gpu", "fat"], "default": "cpu"}
QUEUE_THERE = {"main": {"choices": ["cpu", {"value": "gpu", "label": "Cards"}]}}
THERE = {
    "cores": {**CORES, "clusters": CORES_THERE},
    "queue": {**QUEUE, "clusters": QUEUE_THERE},
    "image": {"type": "path", "default": "/opt/a", "clusters": {"main": {"default": "/software/a"}}},
    "share": {"type": "number", "maximum": 1, "default": 0.5, "clusters": {"main": {"maximum": 0.5}}},
    "flag": {"type": "boolean", "default": False, "clusters": {"main": {"default": True}}},
}


def test_a_cluster_has_its_own_limits_choices_and_defaults() -> None:
    app = application(THERE)
    values = [dict(app.on(cluster).check({})) for cluster in ("main", "fat", "other", "")]
    assert [each["cores"] for each in values] == [4, 16, 16, 16]
    assert [each["image"] for each in values] == ["/software/a", "/opt/a", "/opt/a", "/opt/a"]
    assert [each["flag"] for each in values] == [True, False, False, False]
    assert faults({"cores": 9, "queue": "fat", "share": 0.75}, app.on("main")) == [
        ("cores", "cores must be at most 8"),
        ("queue", "queue must be one of cpu, gpu"),
        ("share", "share must be at most 0.5"),
    ]
    assert faults({"cores": 8}, app.on("fat")) == [("cores", "cores must be at least 16")]
    assert app.check({"cores": 64})["cores"] == 64
    assert [app.differs_on(cluster) for cluster in ("main", "fat", "other")] == [True, True, False]


def test_each_cluster_has_a_schema_of_its_own() -> None:
    properties: Any = application(THERE).on("main").json_schema()["properties"]
    assert (properties["cores"]["maximum"], properties["cores"]["default"]) == (8, 4)
    assert properties["queue"]["oneOf"] == [{"const": "cpu", "title": "Processors"}, {"const": "gpu", "title": "Cards"}]


@pytest.mark.parametrize(
    ("parameter", "complaint"),
    [
        ({**CORES, "clusters": {"m": {"maximum": 65}}}, "on m: has a maximum above the parameter's own"),
        ({**CORES, "clusters": {"m": {"minimum": 0}}}, "on m: has a minimum below the parameter's own"),
        ({**CORES, "clusters": {"m": {"maximum": 8}}}, "on m: must be at most 8"),
        ({**CORES, "clusters": {"m": {"minimum": 5, "maximum": 4}}}, "on m: "),
        ({**CORES, "clusters": {"m": {"maximum": None}}}, "on m: Input should be a valid integer"),
        ({**CORES, "clusters": {"m": {"choices": [1]}}}, "Extra inputs are not permitted"),
        ({**QUEUE, "clusters": {"m": {"choices": ["cpu", "tpu"]}}}, "on m: the choice 'tpu' is none of"),
        ({**QUEUE, "clusters": {"m": {"choices": ["gpu"]}}}, "on m: must be one of gpu"),
        ({**QUEUE, "clusters": {"m": {"choices": []}}}, "at least 1 item"),
        ({"type": "string", "default": "", "clusters": {"m": {"default": "a\nb"}}}, "on m: must be one line"),
    ],
)
def test_a_cluster_can_only_be_narrower(parameter: object, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        application({"p": parameter})


def test_a_cluster_where_the_application_does_not_run_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"names the cluster 'mian', where .* did you mean 'main'"):
        application({"p": {**CORES, "clusters": {"mian": {"minimum": 2}}}}, clusters=["main"])
