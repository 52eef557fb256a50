"""The document as those meet it who generate clients from it."""

from typing import Any

import pytest
from pydantic import BaseModel

from bwvisu.api import models, oversight, sharing_models
from bwvisu.api.app import routes
from bwvisu.api.examples import EXAMPLES
from bwvisu.api.openapi import operations
from bwvisu.api.problems import KINDS

DOCUMENT = routes().openapi()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_what_would_be_answered(name: str) -> None:
    model: type[BaseModel] = next(
        getattr(each, name) for each in (models, oversight, sharing_models) if hasattr(each, name)
    )
    shown = model.model_validate(EXAMPLES[name]).model_dump(mode="json")
    assert shown == EXAMPLES[name]
    assert SCHEMAS[name]["examples"] == [EXAMPLES[name]]


def test_every_call_says_what_it_is() -> None:
    for operation in operations(DOCUMENT):
        assert {"operationId", "summary", "description"} <= set(operation), operation
        assert len(operation["tags"]) == 1, operation["operationId"]
        for response in operation["responses"].values():
            assert response["description"] != "Successful Response", operation["operationId"]
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (operation["operationId"], parameter["name"])
            assert parameter["required"] or parameter["in"] != "path"
            assert not {"anyOf", "oneOf"} & set(parameter["schema"]), (operation["operationId"], parameter["name"])


def test_every_status_of_an_error_shows_each_of_its_problems() -> None:
    for operation in operations(DOCUMENT):
        if operation["tags"] == ["original"]:
            continue  # its errors are those of the original
        for status, response in operation["responses"].items():
            if status >= "400":
                examples = response["content"]["application/problem+json"]["examples"]
                assert {KINDS[slug][0] for slug in examples} == {int(status)}
                assert [each["value"]["type"] for each in examples.values()] == [
                    f"/problems/{each}" for each in examples
                ]


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_union_is_a_reference_or_null(name: str) -> None:
    schema = SCHEMAS[name]
    assert "title" not in schema
    for field in schema.get("properties", {}).values():
        kinds = field.get("anyOf", [])
        assert not kinds or (len(kinds) == 2 and "$ref" in kinds[0] and kinds[1] == {"type": "null"}), (name, field)


def test_an_answer_has_all_its_fields() -> None:
    for name in ("JobView", "ServiceView", "AccessView", "ApplicationView", "ClusterStatus", "Health"):
        assert set(SCHEMAS[name]["required"]) == set(SCHEMAS[name]["properties"]), name


def test_what_a_problem_does_not_say_is_absent() -> None:
    assert SCHEMAS["Problem"]["required"] == ["type", "title", "status", "detail"]
    assert SCHEMAS["Problem"]["properties"]["errors"]["type"] == "array"
