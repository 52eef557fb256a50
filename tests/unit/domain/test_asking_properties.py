"""Whatever conditions and clusters a bundle declares, the server and the published JSON Schema agree on requests."""

import json
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st
from pydantic import ValidationError

from bwvisu.domain.application import Application
from bwvisu.errors import InvalidInput
from tests.support.effort import effort
from tests.support.json_schema import valid

NAMES = ("a", "b", "c", "d")
VALUES: list[object] = [True, False, "", "x", "y", "xx", 0, 1, 2, 3, 1.5, 2.0]
values = st.sampled_from(VALUES)


@st.composite
def declared(draw: st.DrawFn) -> dict[str, object]:
    """A parameter, mostly a sound one, with limits for the cluster ``here``."""
    kind = draw(st.sampled_from(["boolean", "integer", "number", "string", "path", "choice"]))
    choices: dict[str, list[object]] = {
        "boolean": [True, False],
        "integer": [0, 1, 2, 3],
        "number": [0, 1, 1.5, 2.0],
        "choice": ["x", "y", 1, 2],
    }
    fitting = choices.get(kind, ["", "x", "xx"])
    found: dict[str, object] = {"type": kind}
    if kind == "choice":
        found["choices"] = ["x", "y", 1, 2]
    if kind in ("integer", "number") and draw(st.booleans()):
        found |= {"minimum": draw(st.sampled_from([0, 1])), "maximum": draw(st.sampled_from([2, 3]))}
    if kind in ("string", "path") and draw(st.booleans()):
        found["pattern"] = draw(st.sampled_from(["x*", "x+", "[xy]"]))
    if draw(st.booleans()):
        found["default"] = draw(st.sampled_from(fitting))
    if draw(st.booleans()):
        found["required"] = draw(st.booleans())
    if draw(st.booleans()):
        here: dict[str, dict[str, object]] = {
            "integer": {"maximum": 2},
            "number": {"minimum": 1},
            "choice": {"choices": ["x", 1]},
        }
        found["clusters"] = {"here": here.get(kind, {}) | ({"default": fitting[1]} if "default" in found else {})}
    return found


@st.composite
def parameters(draw: Any) -> dict[str, dict[str, object]]:
    """A form whose later parameters hang on earlier ones."""
    found: dict[str, dict[str, object]] = {}
    for name in NAMES[: draw(st.integers(1, len(NAMES)))]:
        each = draw(declared())
        if found and draw(st.booleans()):
            others = draw(st.lists(st.sampled_from(list(found)), min_size=1, max_size=2, unique=True))
            each["when"] = {other: draw(values | st.lists(values, min_size=1, max_size=3)) for other in others}
        found[name] = each
    return found


requests = st.dictionaries(st.sampled_from([*NAMES, "e"]), values, max_size=4)


def accepts(application: Application, request: dict[str, object]) -> bool:
    try:
        checked = application.check(request)
    except InvalidInput:
        return False
    assert list(checked) == list(application.parameters)
    assert application.check(checked) == checked
    return True


@effort(2)
@given(parameters(), st.lists(requests, min_size=1, max_size=8), st.sampled_from(["here", "there"]))
def test_the_server_and_the_schema_let_the_same_requests_pass(
    wanted: dict[str, Any], asked: list[dict[str, object]], cluster: str
) -> None:
    try:
        application = Application.model_validate_json(json.dumps({"title": "T", "parameters": wanted}))
    except ValidationError:
        event("no application")
        return
    event(f"conditions: {sum('when' in each for each in wanted.values())}")
    there = application.on(cluster)
    schema = json.loads(json.dumps(there.json_schema()))
    for request in asked:
        taken = accepts(there, request)
        event(f"accepted: {taken}")
        if not any(type(value) is float for value in request.values()):  # a choice of 1 does not take 1.0
            assert valid(request, schema) == taken
        if taken and not any("when" in each for each in wanted.values()):
            assert application.check(there.check(request)), "a cluster only narrows"
