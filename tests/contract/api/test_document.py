"""The OpenAPI document: what is committed is what is served, and it promises what clients rely on."""

import json
from pathlib import Path
from typing import Any

import pytest

from bwvisu.api.audit import ACTIONS
from bwvisu.api.document import render
from tests.contract.api.service import Service

DOCUMENT: dict[str, Any] = json.loads(render())
OPERATIONS = {operation["operationId"]: operation for path in DOCUMENT["paths"].values() for operation in path.values()}


def test_the_committed_file_is_current() -> None:
    assert Path("docs/openapi.json").read_text() == render(), "run `bwvisu openapi --path docs/openapi.json`"


async def test_it_is_what_the_service_serves(api: Service) -> None:
    assert (await api.client().get("/openapi.json")).json() == DOCUMENT


def test_operation_ids_are_the_contract() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert set(OPERATIONS) == {
        "createJob",
        "listJobs",
        "getJob",
        "cancelJob",
        "extendJob",
        "keepJob",
        "getJobAccess",
        "createAdmission",
        "listAdmissions",
        "deleteAdmission",
        "createShare",
        "listShares",
        "deleteShare",
        "listSharedJobs",
        "redeemShare",
        "getJobLog",
        "getJobScript",
        "watchJob",
        "watchJobs",
        "listApplications",
        "getApplication",
        "getApplicationIcon",
        "listClusters",
        "getCluster",
        "checkUser",
        "drainGateway",
        "undrainGateway",
        "listAuditEntries",
        "getClusterUsage",
        "getPreferences",
        "putPreferences",
        "originalCreateJob",
        "originalListJobs",
        "originalGetJob",
        "originalCancelJob",
        "originalCheckUser",
        "live",
        "ready",
        "metrics",
    }


def test_every_call_that_changes_something_is_audited() -> None:
    changing = {
        operation["operationId"]
        for path in DOCUMENT["paths"].values()
        for method, operation in path.items()
        if method != "get"
    }
    assert changing <= set(ACTIONS)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_error_is_declared_as_a_problem(name: str) -> None:
    responses = OPERATIONS[name]["responses"]
    errors = {status: response for status, response in responses.items() if status >= "400"}
    original = OPERATIONS[name]["tags"] == ["original"]
    if OPERATIONS[name].get("security"):
        assert {"401", "500", "503"} <= set(errors)
        assert original or "403" in errors
    for status, response in errors.items():
        plain = original and status not in {"408", "413", "414", "429", "431"}
        schema = response["content"]["application/json" if plain else "application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}


def test_calls_with_values_declare_that_they_may_be_wrong() -> None:
    assert {
        name for name, each in OPERATIONS.items() if "requestBody" in each and "422" not in each["responses"]
    } == set()


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(DOCUMENT)
    referred = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert referred == set(DOCUMENT["components"]["schemas"])
