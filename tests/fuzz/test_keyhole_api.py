"""Whatever reaches the keyhole's API: a problem of the caller's, never one of ours; nothing is stored or told by it.

Fault 17.  Requests come over the real ASGI wire; only the records are in memory.
"""

import asyncio
import json
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx2
from hypothesis import example, given
from hypothesis import strategies as st

from keyhole.api import Limits
from keyhole.auth import attempt_key
from keyhole.domain import PortRequest, Report, Run
from keyhole.problems import KINDS
from tests.support.effort import effort
from tests.support.keyhole_api import JOB, SECRET, MemoryLedger, app, grant, signed

KEY = attempt_key(SECRET, 1)
QUICK = Limits(answer_seconds=0.0, body_seconds=1.0, failures=10**9)
FORWARDS = {"attempt": 1, "restart": 0, "slurm_job_id": 4711, "hosts": ["n1", "n2"], "ports": 2}
REPORT = {"attempt": 1, "restart": 0, "seq": 1, "event": "listening", "port": 50001}
MARKER = "x-marks-what-was-sent-x"
SECRETS = (SECRET.decode(), KEY, SECRET.hex(), MARKER)

segments = st.sampled_from(
    (
        JOB,
        "forwards",
        "reports",
        "keyhole",
        "v1",
        "jobs",
        "readyz",
        "livez",
        "docs",
        "openapi.json",
        "..",
        ".",
        "",
        "%2F",
    )
) | st.text(st.characters(codec="utf-8", exclude_characters="?#"), max_size=12).map(quote)
paths = st.sampled_from((f"keyhole/v1/jobs/{JOB}/forwards", f"keyhole/v1/jobs/{JOB}/reports/")) | st.lists(
    segments, max_size=7
).map("/".join)
methods = st.sampled_from(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"))
header_texts = st.binary(max_size=80).filter(lambda value: not set(value) & set(b"\0\r\n"))
header_names = st.sampled_from(
    (
        "X-Keyhole-Timestamp",
        "X-Keyhole-Nonce",
        "X-Keyhole-Signature",
        "Content-Type",
        "Host",
        "X-Forwarded-For",
        "Cookie",
    )
)
headers = st.dictionaries(
    header_names, header_texts | st.sampled_from((b"1" * 12, b"a-nonce-0123", b"0" * 64)), max_size=6
)
numbers = st.integers() | st.sampled_from((0, -1, 2**31, 2**53, 2**63, 10**400, 1e308, math.nan, math.inf, -0.0, 1.5))
texts = st.text(max_size=20) | st.sampled_from((MARKER, "$(reboot)", "\ud800", "\0", "\u2028", "n1", "x" * 5000))
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from((*FORWARDS, *REPORT, "exit_code", "log_tail", "__class__"))


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Nearly a good body: fields altered, or its very text broken."""
    content = dict(draw(st.sampled_from((FORWARDS, REPORT)))) | draw(st.dictionaries(names, values, max_size=4))
    for name in draw(st.lists(st.sampled_from(sorted(content)), max_size=2)):
        content.pop(name, None)
    text = json.dumps(content).encode()
    match draw(st.sampled_from(("whole", "whole", "whole", "cut", "doubled", "deep", "bytes"))):
        case "cut":
            return text[: draw(st.integers(0, len(text)))]
        case "doubled":
            return text.replace(b'"attempt": 1', b'"attempt": 1, "attempt": 2')
        case "deep":
            return b'{"attempt": 1, "hosts": ' + b"[" * draw(st.integers(1, 60_000))
        case "bytes":
            return draw(st.binary(max_size=80))
    return text


def sent(ledger: MemoryLedger, path: str, method: str, content: bytes, given: Mapping[str, Any]) -> httpx2.Response:
    """One request over the wire.  An exception of the application is a finding, so it is raised here."""

    async def exchange() -> httpx2.Response:
        transport = httpx2.ASGITransport(app(ledger, QUICK), raise_app_exceptions=True)
        request = httpx2.Request(method, f"http://keyhole{path}", content=content, headers=dict(given))
        answer = await transport.handle_async_request(request)
        answer.request = request
        await answer.aread()
        return answer

    return asyncio.run(exchange())


def judge(answer: httpx2.Response) -> None:
    """A whole problem of the caller's, which repeats nothing and is short."""
    assert 400 <= answer.status_code < 500, answer.status_code
    assert not [secret for secret in SECRETS if secret in answer.text + str(answer.headers)]
    if answer.request.method != "HEAD":
        assert answer.headers["content-type"] == "application/problem+json"
        content = answer.json()
        assert KINDS[content["type"].removeprefix("/problems/")] == (answer.status_code, content["title"])
        assert len(answer.content) < 10_000


@effort(2)
@example(f"keyhole/v1/jobs/{JOB}/forwards/", "POST", {"Host": b"evil.example"}, b"{}")
@given(paths, methods, headers, bodies())
def test_fault_17_who_cannot_sign_gets_a_problem_and_leaves_no_trace(
    path: str, method: str, given: dict[str, bytes], body: bytes
) -> None:
    ledger = MemoryLedger()
    ledger.answers[JOB, Run(1, 0)] = grant(50001, 50002)
    answer = sent(ledger, "/" + path.lstrip("/"), method, body, given)
    if answer.request.url.path in {"/livez", "/readyz"} and method == "GET":
        assert answer.status_code == 200
    else:
        judge(answer)
    assert not ledger.requests
    assert not ledger.reports


@effort()
@given(st.sampled_from(("forwards", "reports")), bodies(), st.sampled_from(("key", "path", "body", "time", "job")))
def test_fault_17_a_signature_for_something_else_is_none(call: str, body: bytes, wrong: str) -> None:
    ledger, job = MemoryLedger(), "01jd0000000000000000000009" if wrong == "job" else JOB
    path = f"/keyhole/v1/jobs/{job}/{call}"
    signings: dict[str, dict[str, Any]] = {"key": {"key": attempt_key(b"guess", 1)}, "time": {"at": 1}}
    over = {"path": path + "s", "body": path}.get(wrong, path)
    given = signed(over, body + b" " if wrong == "body" else body, **signings.get(wrong, {}))
    judge(sent(ledger, path, "POST", body, given))
    assert not ledger.requests
    assert not ledger.reports


@effort(2)
@example("reports", b'{"attempt": 1, "restart": 0, "seq": 1, "event": "exited", "log_tail": "\\ud800"}')
@example("forwards", json.dumps(FORWARDS | {"hosts": ["-"] * 10_000}).encode())
@given(st.sampled_from(("forwards", "reports")), bodies())
def test_the_jobs_own_nonsense_is_pointed_at_and_only_sense_is_stored(call: str, body: bytes) -> None:
    ledger = MemoryLedger()
    path = f"/keyhole/v1/jobs/{JOB}/{call}"
    answer = sent(ledger, path, "POST", body, signed(path, body))
    stored: list[PortRequest | Report] = [*ledger.requests.values(), *ledger.reports.values()]
    if answer.status_code in {202, 204}:
        assert len(stored) == 1
        assert stored[0].job_id == JOB
        assert stored[0].attempt == 1, "only what the key stands for"
        stored[0].model_dump_json().encode()
    else:
        judge(answer)
        assert stored == []
