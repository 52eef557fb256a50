"""Bad input: an exact problem, and nothing stored."""

import json
import socket
from typing import Any

import httpx2
import pytest

from tests.contract.api.service import Service

GOOD: dict[str, Any] = {"user": "alice", "application": "probe", "parameters": {"minutes": 30}}


def problem(answer: httpx2.Response) -> dict[str, Any]:
    """The answer as a problem that says of itself what HTTP says."""
    assert answer.headers["content-type"] == "application/problem+json"
    content: dict[str, Any] = answer.json()
    assert content["status"] == answer.status_code
    assert content["title"]
    assert content["detail"]
    assert set(content) <= {"type", "title", "status", "detail", "errors"}
    return content


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != key}


BAD: dict[str, tuple[Any, str, list[str]]] = {
    "unknown application": ({**GOOD, "application": "prob"}, "unknown-application", ["/application"]),
    "hostile application": ({**GOOD, "application": "../etc"}, "unknown-application", ["/application"]),
    "unknown cluster": ({**GOOD, "cluster": "other"}, "unknown-cluster", ["/cluster"]),
    "unknown field": ({**GOOD, "wanted": "stopped"}, "invalid-input", ["/wanted"]),
    "unknown parameter": ({**GOOD, "parameters": {"minuts": 1}}, "invalid-input", ["/parameters/minuts"]),
    "wrong type": ({**GOOD, "parameters": {"minutes": "30"}}, "invalid-input", ["/parameters/minutes"]),
    "true is no number": ({**GOOD, "parameters": {"minutes": True}}, "invalid-input", ["/parameters/minutes"]),
    "out of range": ({**GOOD, "parameters": {"minutes": 61}}, "invalid-input", ["/parameters/minutes"]),
    "no choice": ({**GOOD, "parameters": {"colour": "blue"}}, "invalid-input", ["/parameters/colour"]),
    "several": (
        {**GOOD, "parameters": {"minutes": 0, "colour": 1}},
        "invalid-input",
        ["/parameters/minutes", "/parameters/colour"],
    ),
    "parameters are no object": ({**GOOD, "parameters": [1]}, "invalid-input", ["/parameters"]),
    "missing user": (without("user"), "invalid-input", ["/user"]),
    "missing application": (without("application"), "invalid-input", ["/application"]),
    "empty user": ({**GOOD, "user": ""}, "invalid-input", ["/user"]),
    "user is a number": ({**GOOD, "user": 7}, "invalid-input", ["/user"]),
    "shell in the user": ({**GOOD, "user": "alice; id"}, "invalid-input", ["/user"]),
    "path in the user": ({**GOOD, "user": "../alice"}, "invalid-input", ["/user"]),
    "newline in the user": ({**GOOD, "user": "alice\n"}, "invalid-input", ["/user"]),
    "half a character": ({**GOOD, "user": "\ud800"}, "invalid-input", ["/user"]),
    "root": ({**GOOD, "user": "root"}, "user-not-allowed", ["/user"]),
    "system account": ({**GOOD, "user": "daemon"}, "user-not-allowed", ["/user"]),
    "unknown user": ({**GOOD, "user": "mallory"}, "unknown-user", ["/user"]),
    "a list": ([GOOD], "invalid-input", [""]),
    "nothing": (None, "invalid-input", [""]),
}


@pytest.mark.parametrize(("body", "slug", "pointers"), BAD.values(), ids=BAD.keys())
async def test_a_wrong_job_is_refused_and_nothing_is_stored(
    api: Service, body: Any, slug: str, pointers: list[str]
) -> None:
    api.leader.refuses("daemon", "is a system account")
    api.leader.lacks("mallory")
    answer = await api.client().post(
        "/api/v1/jobs",
        content=json.dumps(body),
        headers={"Idempotency-Key": "k", "Content-Type": "application/json"},
    )
    told = problem(answer)
    assert (told["status"], told["type"]) == (422, f"/problems/{slug}")
    assert [error["pointer"] for error in told["errors"]] == pointers
    assert await api.stored() == set()


RAW: dict[str, tuple[bytes, int, str]] = {
    "cut off": (b'{"user": "alice"', 400, "malformed-json"),
    "no json": (b"user=alice", 400, "malformed-json"),
    "not utf-8": (b'{"user": "\xff"}', 400, "malformed-json"),
    "deeply nested": (b"[" * 60_000, 400, "malformed-json"),
    "an endless number": (b'{"user": ' + b"9" * 5000 + b"}", 400, "malformed-json"),
    "nothing at all": (b"", 422, "invalid-input"),
    "not a number": (json.dumps({**GOOD, "parameters": {"minutes": float("nan")}}).encode(), 422, "invalid-input"),
    "too long": (json.dumps({**GOOD, "application": "x" * 65_536}).encode(), 413, "body-too-large"),
}


@pytest.mark.parametrize(("body", "status", "slug"), RAW.values(), ids=RAW.keys())
async def test_a_body_that_is_no_request_is_refused(api: Service, body: bytes, status: int, slug: str) -> None:
    answer = await api.client().post("/api/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, problem(answer)["type"]) == (status, f"/problems/{slug}")
    assert await api.stored() == set()


async def test_a_body_of_another_type_is_refused(api: Service) -> None:
    answer = await api.client().post("/api/v1/jobs", data=GOOD)
    assert (answer.status_code, problem(answer)["type"]) == (415, "/problems/unsupported-media-type")


async def test_an_endless_body_is_refused_while_it_is_read(api: Service) -> None:
    host, port = httpx2.URL(api.url).host, httpx2.URL(api.url).port
    assert port is not None

    def send() -> bytes:
        with socket.create_connection((host, port), timeout=10) as connection:
            connection.sendall(b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(9):
                connection.sendall(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")  # 72 KB, and never an end
            return connection.recv(4096)

    import asyncio

    answer = await asyncio.to_thread(send)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_an_unusable_idempotency_key_is_refused(api: Service, key: str) -> None:
    answer = await api.client().post("/api/v1/jobs", json=GOOD, headers={"Idempotency-Key": key})
    assert problem(answer)["errors"][0]["pointer"] == "/idempotency-key"
    assert answer.status_code == 422


async def test_what_is_no_object_is_told_so_in_words_of_json(api: Service) -> None:
    answer = await api.client().post("/api/v1/jobs", json={**GOOD, "parameters": [1]})
    assert problem(answer)["errors"] == [{"pointer": "/parameters", "detail": "should be an object"}]


async def test_two_idempotency_keys_are_none(api: Service) -> None:
    keys = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    answer = await api.client().post("/api/v1/jobs", json=GOOD, headers=keys)
    assert (answer.status_code, problem(answer)["errors"][0]["pointer"]) == (422, "/idempotency-key")
    assert await api.stored() == set()


@pytest.mark.parametrize(
    ("query", "name"),
    [("limit=0", "limit"), ("limit=501", "limit"), ("limit=x", "limit"), ("state=gone", "state")]
    + [(f"cursor={cursor}", "cursor") for cursor in ("x", "!", "MS54", "%00", "Li4")],
)
async def test_a_wrong_query_is_refused(api: Service, query: str, name: str) -> None:
    answer = await api.client().get(f"/api/v1/jobs?{query}")
    assert (answer.status_code, problem(answer)["type"]) == (422, "/problems/invalid-input")
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{name}"]


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/api/v1/jobs/", 404, "not-found"),
        ("PUT", "/api/v1/jobs", 405, "method-not-allowed"),
        ("GET", "/api/v1/jobs/01jd0000000000000000000000", 404, "job-not-found"),
        ("GET", "/api/v1/jobs/..%2f..%2fsecrets", 404, "not-found"),
        ("GET", "/api/v1/jobs/x%00y", 404, "job-not-found"),
        ("DELETE", "/api/v1/jobs/01jd0000000000000000000000", 404, "job-not-found"),
        ("DELETE", "/api/v1/jobs/nonsense", 404, "job-not-found"),
        ("GET", "/api/v1/jobs/nonsense/access", 404, "job-not-found"),
        ("GET", "/api/v1/applications/nonsense", 404, "application-not-found"),
        ("GET", "/api/v1/clusters/nonsense", 404, "cluster-not-found"),
        ("GET", "/api/v1/clusters/nonsense/users/alice", 404, "cluster-not-found"),
        ("GET", "/api/v1/clusters/main/users/root", 404, "user-not-found"),
        ("GET", "/api/v1/clusters/main/users/a;b", 404, "user-not-found"),
    ],
)
async def test_what_is_not_there_is_a_problem_too(api: Service, method: str, path: str, status: int, slug: str) -> None:
    answer = await api.client().request(method, path)
    assert (answer.status_code, problem(answer)["type"]) == (status, f"/problems/{slug}")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/jobs", "GET, HEAD, POST"),
        ("OPTIONS", "/api/v1/jobs", "GET, HEAD, POST"),
        ("TRACE", "/api/v1/clusters/main", "GET, HEAD"),
        ("POST", "/api/v1/clusters/main/gateways/gw1/drain", "PUT, DELETE"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(api: Service, method: str, path: str, allowed: str) -> None:
    answer = await api.client().request(method, path)
    assert (answer.status_code, problem(answer)["type"]) == (405, "/problems/method-not-allowed")
    assert answer.headers["allow"] == allowed
