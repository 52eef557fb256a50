"""What a running job gets from the keyhole, and what everybody else does not."""

import asyncio
import time
from typing import Any

import httpx2
import pytest

from keyhole.auth import attempt_key
from keyhole.domain import Refusal, Run
from tests.support.keyhole_api import JOB, SECRET, MemoryLedger, grant
from tests.unit.keyhole.api.conftest import FORWARDS, REPORT, Post, slug

RUN = Run(1, 0)


async def test_an_open_grant_is_answered_with_its_forwards(post: Post, ledger: MemoryLedger) -> None:
    ledger.answers[JOB, RUN] = grant(50001, 50002)
    answer = await post("forwards", FORWARDS)
    assert answer.status_code == 200
    assert answer.json() == {
        "forwards": [
            {
                "internal_port": port,
                "external_host": "gw1.example.org",
                "external_port": port - 10000,
                "gateway": "gw1",
            }
            for port in (50001, 50002)
        ]
    }
    stored = ledger.requests[JOB, RUN]
    assert (stored.slurm_job_id, stored.hosts, stored.ports) == (4711, ("n1", "n2"), 2)


async def test_not_yet_is_202_and_the_same_again_gets_the_same(post: Post, ledger: MemoryLedger) -> None:
    answer = await post("forwards", FORWARDS)
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "1")
    ledger.answers[JOB, RUN] = grant(50001, 50002)
    first, second = await asyncio.gather(post("forwards", FORWARDS), post("forwards", FORWARDS))
    assert first.json() == second.json()
    assert len(ledger.requests) == 1


@pytest.mark.parametrize("change", [{"ports": 3}, {"hosts": ["n1"]}, {"slurm_job_id": 4712}])
async def test_another_question_of_the_same_run_is_a_conflict(post: Post, change: dict[str, Any]) -> None:
    await post("forwards", FORWARDS)
    answer = await post("forwards", FORWARDS | change)
    assert (answer.status_code, slug(answer)) == (409, "different-request")


async def test_a_requeued_run_is_another_run(post: Post, ledger: MemoryLedger) -> None:
    await post("forwards", FORWARDS)
    assert (await post("forwards", FORWARDS | {"restart": 1, "hosts": ["n3"]})).status_code == 202
    assert set(ledger.requests) == {(JOB, RUN), (JOB, Run(1, 1))}


@pytest.mark.parametrize(
    ("refusal", "status", "retried"),
    [
        (Refusal(code="superseded", message="later"), 409, False),
        (Refusal(code="too-many-ports", message="cap"), 422, False),
        (Refusal(code="port-pool-exhausted", message="full", final=False), 503, True),
        (Refusal(code="foreign-host", message="no"), 403, False),
        (Refusal(code="of-a-later-version", message="no"), 403, False),
        (Refusal(code="of-a-later-version", message="wait", final=False), 503, True),
    ],
)
async def test_a_refusal_has_its_status(
    post: Post, ledger: MemoryLedger, refusal: Refusal, status: int, retried: bool
) -> None:
    ledger.answers[JOB, RUN] = refusal
    answer = await post("forwards", FORWARDS)
    assert (answer.status_code, slug(answer), answer.json()["detail"]) == (status, refusal.code, refusal.message)
    assert ("retry-after" in answer.headers) == retried


async def test_fault_17_more_ports_than_the_cap_are_refused_and_not_stored(post: Post, ledger: MemoryLedger) -> None:
    answer = await post("forwards", FORWARDS | {"ports": 101})
    assert (answer.status_code, slug(answer), answer.json()["limit"]) == (422, "too-many-ports", 100)
    assert not ledger.requests


@pytest.mark.parametrize(
    ("call", "body", "pointers"),
    [
        ("forwards", b"", {""}),
        ("forwards", b"{", {""}),
        ("forwards", b"[]", {""}),
        ("forwards", b"\xff\xfe", {""}),
        ("forwards", b"[" * 60_000, {""}),
        ("forwards", {"attempt": "1"}, {"/attempt"}),
        ("forwards", FORWARDS | {"attempt": True}, {"/attempt"}),
        ("forwards", {"attempt": 1}, {"/restart", "/slurm_job_id", "/hosts", "/ports"}),
        ("forwards", FORWARDS | {"hosts": ["n1", "$(reboot)", "-x", ""]}, {"/hosts/1", "/hosts/2", "/hosts/3"}),
        ("forwards", FORWARDS | {"hosts": []}, {"/hosts"}),
        ("forwards", FORWARDS | {"hosts": ["n1", "n1\n"]}, {"/hosts/1"}),
        ("forwards", FORWARDS | {"ports": 0, "restart": -1}, {"/ports", "/restart"}),
        ("reports", REPORT | {"event": "bored", "port": 65536}, {"/event", "/port"}),
        ("reports", REPORT | {"port": None}, {"/port"}),
        ("reports", REPORT | {"seq": -1, "exit_code": 1.5}, {"/seq", "/exit_code"}),
    ],
)
async def test_bad_input_is_pointed_at(
    post: Post, ledger: MemoryLedger, call: str, body: Any, pointers: set[str]
) -> None:
    answer = await post(call, body)
    assert (answer.status_code, slug(answer)) == (400, "bad-request")
    assert {error["pointer"] for error in answer.json()["errors"]} == pointers
    assert "reboot" not in answer.text
    assert not ledger.requests
    assert not ledger.reports


async def test_fields_of_a_later_client_are_ignored(post: Post) -> None:
    assert (await post("forwards", FORWARDS | {"colour": "red"})).status_code == 202


async def test_a_report_is_stored_once(post: Post, ledger: MemoryLedger) -> None:
    assert (await post("reports", REPORT)).status_code == 204
    again = await post("reports", REPORT | {"event": "port-taken"})
    assert (again.status_code, slug(again)) == (409, "seq-used")
    assert ledger.said() == [("listening", 50001)]


async def test_a_log_tail_of_64_kb_fits(post: Post, ledger: MemoryLedger) -> None:
    exited = {"attempt": 1, "restart": 0, "seq": 7, "event": "exited", "exit_code": 3, "log_tail": "x" * 65_536}
    assert (await post("reports", exited)).status_code == 204
    assert len(ledger.reports[JOB, RUN, 7].log_tail or "") == 65_536


async def test_a_job_may_send_a_thousand_reports(post: Post, ledger: MemoryLedger) -> None:
    beyond = await post("reports", REPORT | {"seq": 1001})
    assert (beyond.status_code, slug(beyond)) == (429, "too-many-reports")
    for restart in (0, 1):
        for seq in range(500):
            await post("reports", REPORT | {"restart": restart, "seq": seq})
    requeued = await post("reports", REPORT | {"restart": 2})
    assert (requeued.status_code, slug(requeued)) == (429, "too-many-reports")
    assert int(requeued.headers["retry-after"]) >= 60
    assert len(ledger.reports) == 999


async def test_fault_17_nothing_is_learnt_by_guessing(post: Post, ledger: MemoryLedger) -> None:
    wrong = attempt_key(b"another secret", 1)
    answers = [
        await post("forwards", FORWARDS, key=wrong),
        await post("forwards", FORWARDS, job="01jd0000000000000000000001"),
        await post("forwards", FORWARDS, job="no%20job%00at..all"),
        await post("forwards", FORWARDS, headers={"X-Keyhole-Timestamp": "now"}),
        await post("forwards", FORWARDS | {"attempt": 2}),
        await post("forwards", FORWARDS, key=wrong, at=0),
        await post("forwards", {"attempt": 1, "nothing": "else"}, key=wrong),
        await post("reports", REPORT, key=wrong),
    ]
    assert {(answer.status_code, answer.text, answer.headers["www-authenticate"]) for answer in answers} == {
        (401, answers[0].text, "Keyhole")
    }
    assert slug(answers[0]) == "not-authenticated"
    assert not ledger.requests


async def test_fault_17_a_stale_request_is_told_the_time(post: Post) -> None:
    answer = await post("forwards", FORWARDS, at=time.time() - 3600)
    assert (answer.status_code, slug(answer)) == (401, "clock-skew")
    assert abs(answer.json()["server_time"] - time.time()) < 10


async def test_fault_17_the_superseded_attempt_speaks_as_what_it_is(post: Post, ledger: MemoryLedger) -> None:
    ledger.answers[JOB, Run(2, 0)] = grant(50001, 50002, run=Run(2, 0))
    ledger.answers[JOB, RUN] = Refusal(code="superseded", message="attempt 2 runs")
    assert slug(await post("forwards", FORWARDS)) == "superseded"
    second = await post("forwards", FORWARDS | {"attempt": 2}, key=attempt_key(SECRET, 2))
    assert second.status_code == 200


async def test_fault_17_guessing_is_slowed_down_but_never_locks_the_job_out(post: Post, ledger: MemoryLedger) -> None:
    ledger.answers[JOB, RUN] = grant(50001, 50002)
    guesses = [await post("forwards", FORWARDS, key="guess") for _ in range(25)]
    assert [slug(guess) for guess in guesses] == ["not-authenticated"] * 20 + ["too-many-failures"] * 5
    assert int(guesses[-1].headers["retry-after"]) >= 1
    assert (await post("forwards", FORWARDS)).status_code == 200


async def test_records_out_of_reach_are_503(post: Post, wire: httpx2.AsyncClient, ledger: MemoryLedger) -> None:
    ledger.down = True
    for answer in (await post("forwards", FORWARDS), await post("reports", REPORT), await wire.get("/readyz")):
        assert (answer.status_code, slug(answer)) == (503, "unavailable")
        assert "retry-after" in answer.headers
        assert "etcd" not in answer.text
    assert (await wire.get("/livez")).status_code == 200
    ledger.down = False
    assert (await wire.get("/readyz")).status_code == 200


async def test_other_calls_are_problems_too(wire: httpx2.AsyncClient) -> None:
    assert slug(await wire.get("/keyhole/v1/jobs")) == "not-found"
    assert slug(await wire.get(f"/keyhole/v1/jobs/{JOB}/forwards")) == "method-not-allowed"
    assert slug(await wire.get("/openapi.json")) == "not-found"


async def test_a_fault_of_ours_says_nothing_of_itself(
    post: Post, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "secrets", None)
    answer = await post("forwards", FORWARDS)
    assert (answer.status_code, slug(answer)) == (500, "internal")
    assert "NoneType" not in answer.text
