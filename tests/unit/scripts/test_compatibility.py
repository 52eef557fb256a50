"""Every kind of change that breaks a client is caught, and no other."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from scripts.compatibility import RELEASED, breaks

Json = dict[str, Any]
Change = Callable[[Json], object]

PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {"job-not-found": {}, "gone": {}}}
JOB = {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}}
DOCUMENT: Json = {
    "paths": {
        "/jobs": {
            "post": {
                "operationId": "createJob",
                "tags": ["jobs"],
                "security": [{"token": []}],
                "parameters": [
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 500, "default": 100}},
                    {"name": "state", "in": "query", "schema": {"$ref": "#/components/schemas/State"}},
                    {"name": "If-Match", "in": "header", "schema": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
                ],
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewJob"}}},
                },
                "responses": {
                    "200": {"content": JOB, "headers": {"ETag": {"schema": {"type": "string"}}}},
                    "404": {"content": {"application/problem+json": PROBLEM}},
                },
            },
            "get": {"operationId": "listJobs", "responses": {"200": {"content": JOB}}},
        }
    },
    "components": {
        "schemas": {
            "State": {"type": "string", "enum": ["running", "finished"]},
            "NewJob": {
                "type": "object",
                "additionalProperties": False,
                "required": ["user"],
                "properties": {
                    "user": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[a-z]"},
                    "cluster": {"type": ["string", "null"]},
                    "parameters": {"type": "object", "additionalProperties": {"type": ["string", "integer"]}},
                    "nodes": {"type": "array", "items": {"type": "integer"}, "maxItems": 9},
                },
            },
            "Job": {
                "type": "object",
                "required": ["id", "state", "at"],
                "properties": {
                    "id": {"type": "string"},
                    "state": {"$ref": "#/components/schemas/State"},
                    "at": {"type": "string", "format": "date-time"},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "size": {"type": "number", "maximum": 10},
                    "parent": {"anyOf": [{"$ref": "#/components/schemas/Job"}, {"type": "null"}]},
                    "hosts": {"type": "array", "items": {"type": "string"}},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
            "Problem": {"type": "object", "properties": {"type": {"type": "string"}}},
        }
    },
}


def post(document: Json) -> Json:
    operation: Json = document["paths"]["/jobs"]["post"]
    return operation


def limit(document: Json) -> Json:
    parameter: Json = post(document)["parameters"][0]
    return parameter


def body(document: Json) -> Json:
    content: Json = post(document)["requestBody"]
    return content


def response(document: Json, status: str = "200") -> Json:
    found: Json = post(document)["responses"][status]
    return found


def schema(document: Json, name: str, *fields: str) -> Json:
    found: Json = document["components"]["schemas"][name]
    for each in fields:
        found = found["properties"][each]
    return found


def new_job(document: Json, *fields: str) -> Json:
    return schema(document, "NewJob", *fields)


def job(document: Json, *fields: str) -> Json:
    return schema(document, "Job", *fields)


def rename(fields: Json) -> None:
    fields["properties"]["identity"] = fields["properties"].pop("id")
    fields["required"] = ["identity", "state", "at"]


NULLABLE = {"type": ["string", "null"]}
BREAKING: dict[str, tuple[Change, str]] = {
    "path gone": (lambda d: d["paths"].clear(), "POST /jobs is gone"),
    "path renamed": (lambda d: d["paths"].update({"/job": d["paths"].pop("/jobs")}), "POST /jobs is gone"),
    "method gone": (lambda d: d["paths"]["/jobs"].pop("get"), "GET /jobs is gone"),
    "operation id": (lambda d: post(d).update(operationId="startJob"), "operation id is startJob now"),
    "tag": (lambda d: post(d).update(tags=["start"]), "the tags are ['start'] now"),
    "token needed": (lambda d: d["paths"]["/jobs"]["get"].update(security=[{"token": []}]), "no token is not enough"),
    "way in gone": (lambda d: post(d).update(security=[{"basic": []}]), "token is not enough"),
    "schema renamed": (
        lambda d: (
            d["components"]["schemas"].update(Extra=d["components"]["schemas"].pop("Problem"))
            or response(d, "404")["content"]["application/problem+json"].update(
                schema={"$ref": "#/components/schemas/Extra"}
            )
        ),
        "the schema Problem is gone",
    ),
    "parameter gone": (lambda d: post(d)["parameters"].pop(), "the header parameter if-match is gone"),
    "parameter required": (lambda d: limit(d).update(required=True), "query parameter limit is required now"),
    "new required parameter": (
        lambda d: post(d)["parameters"].append({"name": "n", "in": "query", "required": True, "schema": {}}),
        "query parameter n is required now",
    ),
    "parameter moved": (lambda d: limit(d).update({"in": "header"}), "the query parameter limit is gone"),
    "parameter's bound": (lambda d: limit(d)["schema"].update(maximum=200), "has maximum 200, it was 500"),
    "parameter's new bound": (lambda d: limit(d)["schema"].update(minimum=1), "has minimum 1, it was without"),
    "parameter's default": (lambda d: limit(d)["schema"].update(default=50), "has the default 50 now, it was 100"),
    "parameter's type": (lambda d: limit(d)["schema"].update(type="string"), "may not be integer any more"),
    "parameter's style": (lambda d: limit(d).update(explode=False), "is written in another way now"),
    "body required": (lambda d: body(d).update(required=True), "the body is required now"),
    "body gone": (lambda d: post(d).pop("requestBody"), "the body is gone"),
    "body's type": (
        lambda d: body(d).update(content={"text/plain": {}}),
        "the body is application/json no more",
    ),
    "new required field": (
        lambda d: new_job(d)["properties"].update(why={}) or new_job(d)["required"].append("why"),
        "the body.why is required now",
    ),
    "field required": (lambda d: new_job(d)["required"].append("cluster"), "the body.cluster is required now"),
    "field of a request gone": (lambda d: new_job(d)["properties"].pop("nodes"), "the body.nodes is gone"),
    "null refused": (lambda d: new_job(d, "cluster").update(type="string"), "may not be null any more"),
    "shorter": (lambda d: new_job(d, "user").update(maxLength=32), "has maxLength 32, it was 256"),
    "longer": (lambda d: new_job(d, "user").update(minLength=3), "has minLength 3, it was 1"),
    "pattern": (lambda d: new_job(d, "user").update(pattern="^[a-y]"), "has pattern ^[a-y], it was ^[a-z]"),
    "fewer": (lambda d: new_job(d, "nodes").update(maxItems=8), "has maxItems 8, it was 9"),
    "unique": (lambda d: new_job(d, "nodes").update(uniqueItems=True), "has uniqueItems True"),
    "items of a request": (
        lambda d: new_job(d, "nodes").update(items={"type": "string"}),
        "nodes[] may not be integer",
    ),
    "map of a request": (
        lambda d: new_job(d, "parameters").update(additionalProperties={"type": "string"}),
        "parameters.* may not be integer any more",
    ),
    "map closed": (lambda d: new_job(d, "parameters").update(additionalProperties=False), "not have any other fields"),
    "choice gone": (lambda d: schema(d, "State")["enum"].pop(), "state may not be 'finished' any more"),
    "choices at all": (lambda d: new_job(d, "cluster").update(type="string", enum=["a"]), "may not be any value"),
    "not judged": (lambda d: new_job(d, "user").update({"not": {"const": "root"}}), "which nobody here can judge"),
    "answer's status gone": (lambda d: post(d)["responses"].pop("200"), "answers no 200 any more"),
    "another success": (lambda d: post(d)["responses"].update({"202": {}}), "may answer 202 now"),
    "header gone": (lambda d: response(d)["headers"].clear(), "200 has no header ETag any more"),
    "answer's type": (lambda d: response(d).update(content={"text/plain": {}}), "200 is application/json no more"),
    "problem gone": (
        lambda d: response(d, "404")["content"]["application/problem+json"].update(examples={"job-not-found": {}}),
        "404 is never the problem gone any more",
    ),
    "field gone": (lambda d: job(d)["properties"].pop("hosts"), "200.hosts is gone"),
    "field renamed": (lambda d: rename(job(d)), "200.id is gone"),
    "field optional": (lambda d: job(d)["required"].remove("id"), "200.id may be missing now"),
    "field nullable": (lambda d: job(d, "id").update(NULLABLE), "200.id may be null now"),
    "reference nullable": (
        lambda d: job(d)["properties"].update(state={"anyOf": [job(d, "state"), {"type": "null"}]}),
        "200.state may be null now",
    ),
    "field's type": (lambda d: job(d, "id").update(type="integer"), "200.id may be integer now"),
    "integers only": (lambda d: job(d, "size").update(type="string"), "200.size may be string now"),
    "field's format": (lambda d: job(d, "at").update(format="date"), "has format date, it was date-time"),
    "new format": (lambda d: job(d, "id").update(format="uuid"), "has format uuid, it was without"),
    "greater": (lambda d: job(d, "size").update(maximum=11), "has maximum 11, it was 10"),
    "without bound": (lambda d: job(d, "size").pop("maximum"), "has maximum no more, it was 10"),
    "new state": (lambda d: schema(d, "State")["enum"].append("paused"), "200.state may be 'paused' now"),
    "free text": (lambda d: schema(d, "State").pop("enum"), "200.state may be any value now"),
    "items of an answer": (lambda d: job(d, "hosts").update(items=NULLABLE), "200.hosts[] may be null now"),
    "map of an answer": (
        lambda d: job(d, "labels").update(additionalProperties={"type": "integer"}),
        "200.labels.* may be integer now",
    ),
    "any map": (lambda d: job(d, "labels").pop("additionalProperties"), "200.labels may have any fields now"),
}


COMPATIBLE: dict[str, Change] = {
    "nothing": lambda _: None,
    "new path": lambda d: d["paths"].update({"/more": {"get": {"operationId": "more", "responses": {}}}}),
    "new method": lambda d: d["paths"]["/jobs"].update(put={"operationId": "put", "responses": {}}),
    "new optional parameter": lambda d: post(d)["parameters"].append({"name": "n", "in": "query", "schema": {}}),
    "other order": lambda d: post(d)["parameters"].reverse(),
    "header's case": lambda d: post(d)["parameters"][2].update(name="if-match"),
    "parameter never was null": lambda d: post(d)["parameters"][2].update(schema={"type": "string"}),
    "parameter wider": lambda d: limit(d)["schema"].update(maximum=1000),
    "first default": lambda d: post(d)["parameters"][2]["schema"].update(default="*"),
    "number for integer": lambda d: limit(d)["schema"].update(type="number"),
    "no token needed": lambda d: post(d).update(security=[{"token": []}, {}]),
    "words": lambda d: post(d).update(summary="Begin", description="…") or job(d, "id").update(title="Id", examples=[]),
    "new optional field of a request": lambda d: new_job(d)["properties"].update(why={"type": "string"}),
    "field not required": lambda d: new_job(d).update(required=[]),
    "field takes null": lambda d: new_job(d, "nodes").update(type=["array", "null"]),
    "request open": lambda d: new_job(d).pop("additionalProperties"),
    "request longer": lambda d: new_job(d, "user").update(maxLength=300, minLength=0),
    "request's pattern gone": lambda d: new_job(d, "user").pop("pattern"),
    "another body": lambda d: body(d)["content"].update({"application/merge-patch+json": {}}),
    "another error": lambda d: post(d)["responses"].update({"429": {}}),
    "another problem": lambda d: response(d, "404")["content"]["application/problem+json"].update(
        examples={"job-not-found": {}, "gone": {}, "new": {}}
    ),
    "another header": lambda d: response(d)["headers"].update(Link={}),
    "new field": lambda d: job(d)["properties"].update(more={"type": "string"}),
    "field always there": lambda d: job(d)["required"].append("note"),
    "never null": lambda d: job(d)["properties"].update(note={"type": "string"}),
    "null as a type": lambda d: job(d)["properties"].update(note={"type": ["string", "null"]}),
    "integer for number": lambda d: job(d, "size").update(type="integer"),
    "answer smaller": lambda d: job(d, "size").update(maximum=9),
    "answer closed": lambda d: job(d).update(additionalProperties=False),
    "extension": lambda d: job(d, "id").update({"x-unit": "ulid"}),
    "schema for itself": lambda d: d["components"]["schemas"].update(Other={"type": "object"}),
}


def changed(change: Change) -> Json:
    document = copy.deepcopy(DOCUMENT)
    change(document)
    return document


@pytest.mark.parametrize(("change", "words"), BREAKING.values(), ids=BREAKING.keys())
def test_a_change_that_breaks_clients_is_named(change: Change, words: str) -> None:
    assert any(words in sentence for sentence in breaks(DOCUMENT, changed(change))), breaks(DOCUMENT, changed(change))


@pytest.mark.parametrize("change", COMPATIBLE.values(), ids=COMPATIBLE.keys())
def test_a_change_that_breaks_nobody_passes(change: Change) -> None:
    assert breaks(DOCUMENT, changed(change)) == []


def test_what_stands_for_itself_is_compared_to_its_end() -> None:
    found = breaks(DOCUMENT, changed(lambda d: job(d, "id").update(NULLABLE)))
    assert found == [f"{call} /jobs: 200.id may be null now" for call in ("GET", "POST")]


def test_the_real_document_is_wholly_judged() -> None:
    released = json.loads(RELEASED.read_text())
    assert breaks(released, released) == []
    emptied = {**released, "paths": {path: {} for path in released["paths"]}}
    assert len(breaks(released, emptied)) == sum(len(path) for path in released["paths"].values())
