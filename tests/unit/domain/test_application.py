"""Which parameters of a request an application accepts, and what an administrator may declare."""

import json
from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from bwvisu.domain.application import Application, fill
from bwvisu.errors import Fault, InvalidInput


def application(**keys: object) -> Application:
    return Application.model_validate_json(json.dumps({"title": "A", **keys}))


EDITOR = application(
    ports=[{"name": "web", "protocol": "http", "path": "/lab"}],
    parameters={
        "minutes": {"type": "integer", "minimum": 1, "maximum": 480},
        "title": {"type": "string", "default": "Untitled"},
        "queue": {"type": "choice", "choices": ["cpu", "gpu"], "default": "cpu"},
    },
)


def faults(parameters: Mapping[str, object]) -> tuple[Fault, ...]:
    with pytest.raises(InvalidInput) as caught:
        EDITOR.check(parameters)
    return caught.value.faults


def test_the_answer_is_complete_and_in_declared_order() -> None:
    values = EDITOR.check({"queue": "gpu", "minutes": 60})
    assert list(values.items()) == [("minutes", 60), ("title", "Untitled"), ("queue", "gpu")]


def test_every_fault_is_named_at_once() -> None:
    assert faults({"minute": 5, "title": 5, "queue": "gpus"}) == (
        Fault("/parameters/minute", "there is no parameter 'minute'; did you mean 'minutes'?"),
        Fault("/parameters/minutes", "minutes is required"),
        Fault("/parameters/title", "title must be text"),
        Fault("/parameters/queue", "queue must be one of cpu, gpu"),
    )


def test_hostile_names_come_back_short_escaped_and_encodable() -> None:
    (fault,) = faults({"minutes": 5, "a/b~c\n\ud800" + "x" * 1000: 1})
    assert fault.pointer.startswith("/parameters/a~1b~0c\n\\ud800")
    assert len(fault.pointer) < 120
    assert len(fault.detail.encode()) < 150
    assert "\n" not in fault.detail


def test_a_flood_of_unknown_names_gets_a_short_answer() -> None:
    assert len(faults({"minutes": 5} | {f"p{number}": 1 for number in range(5000)})) == 20


def test_values_are_never_repeated() -> None:
    assert all("hunter2" not in fault.detail for fault in faults({"minutes": "hunter2", "queue": "hunter2"}))


def test_the_schema_lists_what_must_be_given() -> None:
    schema = EDITOR.json_schema()
    assert schema["required"] == ["minutes"]
    assert schema["additionalProperties"] is False
    assert list(json.loads(json.dumps(schema))["properties"]) == ["minutes", "title", "queue"]


def test_its_ports_are_a_jobs_services() -> None:
    assert [(port.name, port.protocol, port.path) for port in EDITOR.services] == [("web", "http", "/lab")]


WEB = {"name": "web", "protocol": "http"}
NUMBER = {"n": {"type": "integer"}}


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"title": ""}, "at least 1 character"),
        ({"version": 1.1}, "valid string"),
        ({"colour": "red"}, "not permitted"),
        ({"parameters": {"Minutes": {"type": "integer"}}}, "cannot be a name"),
        ({"parameters": {"access": {"type": "integer"}}}, "cannot be a name"),
        ({"parameters": {"job": {"type": "integer"}}}, "cannot be a name"),
        ({"ports": [WEB, WEB]}, "same name"),
        ({"ports": [{"name": "web", "protocol": "udp"}]}, "'http', 'https', 'tcp' or 'vnc'"),
        ({"ports": [{**WEB, "path": "no-slash"}]}, "match pattern"),
        ({"ports": [WEB], "connect": {"kind": "link", "port": "wbe"}}, "did you mean 'web'"),
        ({"connect": {"kind": "link"}}, "needs a port"),
        ({"ports": [WEB], "connect": {"kind": "link", "fragment": "{pasword}"}}, "did you mean 'password'"),
        ({"ports": [WEB], "connect": {"kind": "form", "action": "http://elsewhere"}}, "match pattern"),
        ({"ports": [WEB], "connect": {"kind": "form", "action": "/a", "fields": {"x": "{y}"}}}, "knows no {y}"),
        ({"ports": [WEB], "connect": {"kind": "native", "command": "view {hosts}"}}, "did you mean 'host'"),
        ({"icon": "../secret.svg"}, "match pattern"),
        ({"idle_stop": 5}, "greater than or equal to 60"),
        ({"original": {"template-name": "a/b"}}, "match pattern"),
        ({"original": {"template-name": "a", "variables": {"x": "minutes"}}}, "names no parameter"),
        ({"original": {"template-name": "a\nb"}}, "match pattern"),
        ({"original": {"template-name": "a", "variables": {"x y": "n"}}, "parameters": NUMBER}, "match pattern"),
        ({"original": {"template-name": "a", "variables": {"x": "n", "y": "n"}}, "parameters": NUMBER}, "two var"),
        ({"original": {"template-name": "a"}, "parameters": NUMBER}, "no variable for the parameter n"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(keys: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        application(**keys)


def test_a_value_is_never_searched_for_placeholders() -> None:
    assert fill("{host}:{port}", {"host": "{port}", "port": "1"}) == "{port}:1"
