"""The document holds whatever is sent: schemathesis tries every call, with all its checks."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from scripts.clients import Generators
from tests.clients.conftest import running
from tests.contract.api.service import PASSWORDS, Service
from tests.support.clients import output
from tests.support.etcd import EtcdCluster

HERE = Path(__file__).parent
NEW_JOB = {
    "user": {"enum": ["alice"]},
    "application": {"enum": ["probe"]},
    "cluster": {"enum": ["main", None]},
    "idle_stop_minutes": {"enum": [None, 0, 10, 60]},
}
VARIABLES = {"many": {"enum": ["5", "60"]}, "note": {"type": "string", "pattern": "^[A-Za-z0-9./_-]{0,100}$"}}
ORIGINAL_NEW_JOB = {
    "uid": {"enum": ["alice"]},
    "template-name": {"enum": ["probe.txt"]},
    "variables": {"type": "object", "properties": VARIABLES, "additionalProperties": False},
}
USER = "^[a-z_][a-z0-9_-]{0,31}$"  # the default of `clusters.*.users.pattern`


@pytest.fixture
async def api(etcd: EtcdCluster, bundles: Path) -> AsyncIterator[Service]:
    """Where addresses are admitted."""
    async with running(etcd, bundles, forwards={"admission": "owner-address"}) as api:
        yield api


async def this_installation(api: Service) -> dict[str, Any]:
    """The served document, narrowed to what this installation takes: whatever it allows then must be accepted."""
    document: dict[str, Any] = (await api.client().get("/openapi.json")).json()
    parameters = (await api.client().get("/api/v1/applications/probe")).json()["parameters"]
    schemas = document["components"]["schemas"]
    schemas["NewJob"]["properties"] = {**NEW_JOB, "parameters": parameters}
    schemas["OriginalNewJob"]["properties"] = ORIGINAL_NEW_JOB
    schemas["NewTime"]["properties"]["minutes"] = parameters["properties"]["minutes"]
    schemas["NewTime"]["examples"] = [{"minutes": 30}]
    _narrow_sharing(schemas)
    schemas["Redemption"]["properties"]["token"] = {"enum": [await link(api)]}
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    for parameter in (each for operation in operations for each in operation.get("parameters", ())):
        if parameter["name"] == "X-On-Behalf-Of":
            parameter["schema"]["pattern"] = USER
        elif parameter["name"] == "address":
            parameter["schema"] = {"enum": ["192.0.2.7"]}
        elif parameter["name"] == "cursor":
            parameter["schema"] = {"enum": [await cursor(api)]}
        elif parameter["name"] == "If-Match" and parameter["required"]:
            parameter["example"] = "*"
    for operation in operations:
        _say_in_3_2_what_an_event_is(operation)
    return document


def _narrow_sharing(schemas: dict[str, Any]) -> None:
    for name, longest in (("NewAdmission", 720), ("NewShare", 1440)):
        schemas[name]["properties"]["minutes"] = {"type": "integer", "minimum": 1, "maximum": longest}
    schemas["NewAdmission"]["properties"]["address"] = {"enum": ["192.0.2.7", "198.51.100.9"]}
    schemas["Redemption"]["properties"]["address"] = {"enum": ["192.0.2.7"]}
    schemas["NewAdmission"]["required"] = ["address"]  # tests come from loopback, from which nobody is admitted
    schemas["Redemption"]["required"] = ["token", "address"]
    schemas["NewShare"]["properties"]["user"] = {"enum": ["bob", None]}


def _say_in_3_2_what_an_event_is(operation: dict[str, Any]) -> None:
    """Under this name schemathesis holds each event against its schema."""
    for content in operation["responses"].get("200", {}).get("content", {}).values():
        if "x-itemSchema" in content:
            content["itemSchema"] = content.pop("x-itemSchema")


async def link(api: Service) -> str:
    """Of a job that nobody else is told of."""
    made = await api.client().post(f"/api/v1/jobs/{(await api.submit())['id']}/shares", json={})
    token: str = made.json()["token"]
    return token


async def cursor(api: Service) -> str:
    """One that a page gave out."""
    for _ in range(2):
        await api.submit()
    found: str = (await api.client().get("/api/v1/jobs?limit=1")).json()["next_cursor"]
    return found


def effort() -> tuple[list[str], float]:
    """How much is tried, and how long it may take, in seconds.

    `make test` tries the same each time; new things are found by `make test-heavy`.
    """
    if settings.get_current_profile_name() == "heavy":
        return ["--max-examples", "200"], 1500
    return ["--max-examples", "20", "--seed", "1"], 600


@pytest.mark.timeout(1600)
async def test_no_request_gets_an_answer_that_is_not_described(api: Service, tmp_path: Path) -> None:
    generators = Generators()
    generators.ensure()
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(await this_installation(api)))
    (await api.client().put("/api/v1/users/alice/preferences", json={})).raise_for_status()
    much, seconds = effort()
    config: list[Path | str] = ["--config-file", HERE / "schemathesis.toml", "--no-color"]
    command = [generators.tool("schemathesis"), *config, "run", document, "--url", api.url, *much]
    environment = {
        "BWVISU_TOKEN": "bwv_portal",
        "BWVISU_PASSWORD": PASSWORDS["bwvisu-web"][0],
        "JOB": (await api.submit())["id"],
        "SCHEMATHESIS_HOOKS": str(HERE / "unique_keys.py"),
    }
    told = await output(command, seconds, tmp_path, **environment)
    assert "Stateful" in told
    assert len(await api.records("specs")) > 5, "almost no job was accepted"


async def test_the_document_is_valid(api: Service, tmp_path: Path) -> None:
    generators = Generators()
    generators.ensure()
    document = tmp_path / "openapi.json"
    document.write_text((await api.client().get("/openapi.json")).text)
    await output([generators.tool("openapi-spec-validator"), "--subschema-errors", "all", document], 180)
