"""FastAPI's description of the API, made fit for those who read it and for those who generate clients from it.

Pure: a document in, the same document changed.  What is said of each call stands with its route; here is what
FastAPI says in a way of its own: errors, null, and names that are no news.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bwvisu.api import events
from bwvisu.api.examples import EXAMPLES
from bwvisu.api.problems import Problem

Json = dict[str, Any]

_REFERENCE = "#/components/schemas/"
_PARAMETERS = {
    "job_id": "A job's `id`.",
    "admission_id": "An admission's `id`.",
    "share_id": "A share's `id`.",
    "name": "Name of the application or the cluster.",
    "gateway": "Name of a gateway.",
    "user": "Name of an account.",
    "username": "Name of an account.",
    "application": "Name of an application.",
    "cluster": "Name of a cluster.",
    "state": "A state.",
    "limit": "At most so many.",
    "cursor": "`next_cursor` of the page before.",
}
"""Name of a parameter -> what it means in every call that says nothing else of it."""
_ETAG = {"description": "The job's revision, for `If-None-Match`.", "schema": {"type": "string"}}
_PLAIN = "Successful Response"  # FastAPI's word for an answer of which nothing was said


def polish(document: Json) -> None:
    """All of it, in place."""
    _without_fastapis_errors(document)
    schemas = _schemas(document)
    _link(document)
    for operation in operations(document):
        for parameter in operation.get("parameters", ()):
            _polish_parameter(parameter)
            if parameter["name"] == "If-Match" and "428" in operation["responses"]:
                parameter["required"] = True  # FastAPI would refuse its absence as bad input
        for response in operation["responses"].values():
            _describe(response, schemas)
    for schema in schemas.values():
        _plain(schema)
    for name, example in EXAMPLES.items():
        if name in schemas:
            schemas[name]["examples"] = [example]


def _link(document: Json) -> None:
    """What a new job can be asked next."""
    next_calls = [
        operation["operationId"]
        for path, item in document["paths"].items()
        for operation in item.values()
        if path.startswith("/api/v1/jobs/{job_id}") and path.count("{") == 1
    ]
    links = {call: {"operationId": call, "parameters": {"job_id": "$response.body#/id"}} for call in next_calls}
    for status in ("200", "201"):
        document["paths"]["/api/v1/jobs"]["post"]["responses"][status]["links"] = links


def operations(document: Json) -> Iterator[Json]:
    """Every call."""
    for path in document["paths"].values():
        yield from path.values()


def _schemas(document: Json) -> Json:
    """Add what FastAPI does not know of: the problem that all our errors share, and the data of events."""
    models: list[type[BaseModel]] = [Problem, *events.DATA.values()]
    _, ours = models_json_schema([(model, "serialization") for model in models], ref_template=_REFERENCE + "{model}")
    for name in ("Problem", "ProblemError", "ProblemLimit"):
        _left_out_when_none(ours["$defs"][name])
    schemas: Json = dict(sorted((ours["$defs"] | document["components"]["schemas"]).items()))
    document["components"]["schemas"] = schemas
    return schemas


def _without_fastapis_errors(document: Json) -> None:
    """Drop the 422 that FastAPI declares for any call with arguments."""
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    for operation in operations(document):
        if "HTTPValidationError" in str(operation["responses"].get("422")):
            del operation["responses"]["422"]


def _left_out_when_none(schema: Json) -> None:
    """What a problem does not say is not null but absent."""
    for name, value in schema["properties"].items():
        kinds = [kind for kind in value.get("anyOf", ()) if kind != {"type": "null"}]
        if len(kinds) == 1:
            value.pop("default", None)
            del value["anyOf"]
            value.update(kinds[0])
            schema["required"] = [each for each in schema["required"] if each != name]


def _polish_parameter(parameter: Json) -> None:
    """Headers are named as people write them; what is not sent is not null."""
    if parameter["in"] == "header" and parameter["name"].islower():
        parameter["name"] = parameter["name"].title()
    if parameter["name"] in _PARAMETERS:
        parameter.setdefault("description", _PARAMETERS[parameter["name"]])
    schema = parameter["schema"]
    schema.pop("description", None)  # it stands at the parameter, too
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema.update(kinds[0])
    _plain(schema)


def _describe(response: Json, schemas: Json) -> None:
    """An answer of which nothing was said is described as its schema is; one job comes with its tag."""
    name = response.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
    described = schemas.get(name.removeprefix(_REFERENCE), {}).get("description")
    if response["description"] == _PLAIN and described:
        response["description"] = described
    if name == _REFERENCE + "JobView":
        response.setdefault("headers", {})["ETag"] = _ETAG


def _plain(schema: Json) -> None:
    """Without titles made of names, and ``type: [string, null]`` where FastAPI says ``anyOf``; all the way down."""
    if isinstance(schema.get("title"), str):
        del schema["title"]
    for part in (*schema.get("properties", {}).values(), *schema.get("anyOf", ()), schema.get("items")):
        if isinstance(part, dict):
            _plain(part)
    if isinstance(schema.get("additionalProperties"), dict):
        _plain(schema["additionalProperties"])
    kinds = schema.get("anyOf", ())
    if kinds and all(set(kind) & {"$ref", "enum", "const", "anyOf", "type"} == {"type"} for kind in kinds):
        _join(schema, kinds)


def _join(schema: Json, kinds: list[Json]) -> None:
    """One schema for several types, where at most one of them has keywords, which say nothing about the others."""
    said = [kind for kind in kinds if len(kind) > 1]
    if len(said) <= 1:
        del schema["anyOf"]
        types = [kind["type"] for kind in kinds]
        schema.update({**(said[0] if said else {}), "type": types})
