"""Too many requests: refused early, in words, with a time; nobody else notices."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bwvisu.settings import RateSettings
from tests.contract.api.service import Service, service
from tests.contract.api.test_bad_input import GOOD, problem
from tests.support.etcd import EtcdCluster

RATE = RateSettings(requests_per_second=1, burst=20, stranger_requests_per_second=1, stranger_burst=5)
WRONG = {"Authorization": "Bearer wrong"}


@pytest.fixture
async def tight(etcd: EtcdCluster, bundles: Path) -> AsyncIterator[Service]:
    async with service(etcd.endpoints, bundles, rate=RATE) as running:
        running.leader.knows("alice")
        yield running


async def test_a_token_that_asks_too_often_is_told_when_to_come_back(tight: Service) -> None:
    answers = await asyncio.gather(*(tight.client().get("/api/v1/clusters") for _ in range(40)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert 10 <= len(refused) <= 20
    for answer in refused:
        assert problem(answer)["type"] == "/problems/rate-limited"
        assert int(answer.headers["retry-after"]) >= 1
    assert (await tight.client("other").get("/api/v1/clusters")).status_code == 200
    for path in ("/livez", "/readyz", "/metrics"):
        assert (await tight.client().get(path)).status_code == 200


async def test_guesses_are_few_and_lock_nobody_out(tight: Service) -> None:
    assert (await tight.client().get("/api/v1/clusters")).status_code == 200
    stranger = tight.client(None)
    forged = {**WRONG, "X-Forwarded-For": "192.0.2.1"}
    answers = await asyncio.gather(*(stranger.get("/api/v1/clusters", headers=forged) for _ in range(40)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= 20
    assert (await tight.client().get("/api/v1/clusters")).status_code == 200, "who was good before goes on"


async def test_a_flood_of_refused_changes_does_not_fill_the_log(tight: Service) -> None:
    with capture_logs() as lines:
        await asyncio.gather(*(tight.client(None).post("/api/v1/jobs", json=GOOD, headers=WRONG) for _ in range(40)))
    told = [line["reason"] for line in lines if line["event"] == "audit"]
    assert 5 <= told.count("not-authenticated") <= 20
    assert 1 <= told.count("rate-limited") <= 10
    assert await tight.stored() == set()
