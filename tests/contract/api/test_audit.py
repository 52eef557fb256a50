"""The audit trail of a real process: a line for every change, of the documented form, and nothing secret in any."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bwvisu.domain.audit import AuditLine
from tests.contract.api.process import Process, process
from tests.contract.api.test_bad_input import GOOD
from tests.contract.api.test_jobs import AVAILABLE
from tests.support.etcd import EtcdCluster
from tests.support.waiting import eventually, eventually_true

HIDDEN = "correct horse battery staple"
PREFERENCES = "/api/v1/users/alice/preferences"
JSON = {"Content-Type": "application/json"}
ALICE = {"X-On-Behalf-Of": "alice"}


def audited(running: Process) -> list[AuditLine]:
    """Every line of the trail; each must be of the form that the schema has."""
    lines = [line for line in running.log().splitlines() if '"bwvisu.audit"' in line]
    return [AuditLine.model_validate_json(line) for line in lines]


def brief(line: AuditLine) -> tuple[str, str, str | None, str | None, str | None]:
    return line.action, line.result, line.by, line.behalf_of, line.reason


@pytest.fixture
async def running(etcd: EtcdCluster, bundles: Path) -> AsyncIterator[Process]:
    async with process(etcd.endpoints, bundles) as started:
        started.leader.knows("alice", "bob")
        yield started


@pytest.fixture
async def people(running: Process) -> AsyncIterator[dict[str, httpx2.AsyncClient]]:
    async with AsyncExitStack() as opened:
        names = ("portal", "alices", "reader", None)
        yield {name or "nobody": await opened.enter_async_context(running.client(name)) for name in names}


async def test_a_conversation_leaves_one_line_for_each_change(
    running: Process, people: dict[str, httpx2.AsyncClient]
) -> None:
    told: list[tuple[str, str, str | None, str | None, str | None]] = []

    async def call(who: str, request: str, answered: str, **sent: Any) -> Any:
        """Ask, and note which line that is to leave; ``answered``: the action, and why it was refused."""
        method, _, path = request.partition(" ")
        action, _, reason = answered.partition(" ")
        behalf = "alice" if "headers" in sent and ALICE.items() <= sent["headers"].items() else None
        told.append(
            (action, "refused" if reason else "accepted", None if who == "nobody" else who, behalf, reason or None)
        )
        return (await people[who].request(method, path, **sent)).json()

    mine = {**GOOD, "parameters": {"text": HIDDEN}}
    job = (await call("portal", "POST /api/v1/jobs", "createJob", json=mine, headers=ALICE))["id"]
    theirs = (await call("portal", "POST /api/v1/jobs", "createJob", json={**GOOD, "user": "bob"}))["id"]
    path = f"/api/v1/jobs/{job}"
    for who, why, sent in (
        ("nobody", "not-authenticated", {"json": mine}),
        ("reader", "scope-missing", {"json": mine}),
        ("reader", "impersonation-missing", {"json": mine, "headers": {"X-On-Behalf-Of": "bob"}}),
        ("alices", "forbidden", {"json": {**mine, "user": "bob"}}),
        ("alices", "invalid-input", {"json": {**mine, "parameters": {"password": HIDDEN}}}),
        ("portal", "malformed-json", {"content": HIDDEN, "headers": JSON}),
        ("portal", "body-too-large", {"content": HIDDEN * 4000, "headers": JSON}),
    ):
        await call(who, "POST /api/v1/jobs", f"createJob {why}", **sent)
    await call("portal", f"GET {path}/access", "getJobAccess job-not-available")
    await call("alices", f"DELETE /api/v1/jobs/{theirs}", "cancelJob job-not-found")
    await call("alices", f"DELETE /api/v1/jobs/{HIDDEN}", "cancelJob job-not-found")
    await call("alices", f"DELETE {path}", "cancelJob")
    await call("portal", f"PUT {PREFERENCES}", "putPreferences", json={"p": HIDDEN}, headers=ALICE)
    await call(
        "portal", f"PUT {PREFERENCES}", "putPreferences precondition-failed", json={}, headers={"If-Match": '"1"'}
    )
    for looked in ("/api/v1/jobs", path, PREFERENCES, "/api/v1/clusters"):
        await people["portal"].get(looked)  # which changes nothing
    lines = audited(running)
    assert [brief(line) for line in lines] == told
    assert [line.job for line in lines] == [job, theirs, *[None] * 7, job, theirs, None, job, None, None]
    assert {line.source for line in lines} == {"127.0.0.1"}
    assert [line.user for line in lines[:2]] == ["alice", "bob"]
    assert [line.user for line in lines[-3:]] == ["alice"] * 3
    assert HIDDEN not in running.log()
    assert "bwv_" not in running.log(), "a token"


async def test_who_was_given_a_password_is_known_and_the_password_is_not(
    running: Process, people: dict[str, httpx2.AsyncClient]
) -> None:
    portal = people["portal"]
    job = (await portal.post("/api/v1/jobs", json=GOOD)).json()["id"]
    await running.leader.sees(job, AVAILABLE)

    async def available() -> bool:
        return bool((await portal.get(f"/api/v1/jobs/{job}")).json()["state"] == "available")

    await eventually_true(available)
    access: dict[str, Any] = (await portal.get(f"/api/v1/jobs/{job}/access", headers=ALICE)).json()
    last = audited(running)[-1]
    assert (*brief(last), last.job, last.user) == ("getJobAccess", "accepted", "portal", "alice", None, job, "alice")
    assert access["password"] not in running.log()


async def test_a_request_that_breaks_off_is_none_although_it_reads_like_a_whole_one(
    running: Process, people: dict[str, httpx2.AsyncClient]
) -> None:
    body = b'{"user":"bob","application":"probe"}'
    for head in (b"Content-Length: 100\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body)):
        before = len(audited(running))
        _, writer = await asyncio.open_connection("127.0.0.1", running.port)
        start = b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer bwv_portal\r\n"
        writer.write(start + b"Content-Type: application/json\r\n" + head + body + b"\r\n")
        await writer.drain()
        writer.close()
        await eventually(lambda: len(audited(running)) > before)  # noqa: B023 awaited at once
        assert brief(audited(running)[-1]) == ("createJob", "refused", "portal", None, "bad-request")
    assert (await people["portal"].get("/api/v1/jobs")).json()["items"] == []


async def test_a_line_and_its_answer_have_one_request_id_and_so_has_the_job(
    running: Process, people: dict[str, httpx2.AsyncClient]
) -> None:
    given = "0123456789abcdef0123456789abcdef"
    made = await people["portal"].post("/api/v1/jobs", json=GOOD, headers={"X-Request-Id": given})
    refused = await people["nobody"].post("/api/v1/jobs", json=GOOD)
    assert made.headers["x-request-id"] == given
    assert [line.request for line in audited(running)[-2:]] == [given, refused.headers["x-request-id"]]
    assert len(refused.headers["x-request-id"]) == 32


def test_the_schema_that_is_documented_is_the_lines() -> None:
    schema = json.loads(Path("docs/audit.schema.json").read_text())
    assert set(AuditLine.model_fields) == set(schema["properties"])
    assert schema["additionalProperties"] is False
    page = Path("docs/audit.md").read_text()
    assert all(f"`{word}`" in page for word in _words(schema))
    example = page.partition("```json\n")[2].partition("\n```")[0]
    AuditLine.model_validate_json(example)


def _words(schema: dict[str, Any]) -> Iterator[str]:
    yield from schema["properties"]
    for name in ("Action", "Result"):
        yield from schema["$defs"][name]["enum"]
