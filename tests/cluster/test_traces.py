"""A real job's way is one trace, found by the id of the request that made it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bwvisu.cli.local import LocalService, until
from bwvisu.sandbox import Sandbox
from tests.support.collector import Taken, collector
from tests.support.world import Person, service_in


@pytest.fixture
def taken() -> Iterator[Taken]:
    with collector() as taken:
        yield taken


@pytest.fixture
def service(sandbox: Sandbox, tmp_path: Path, taken: Taken) -> Iterator[LocalService]:
    with service_in(sandbox, tmp_path, tracing={"url": taken.url}) as service:
        service.start()
        service.wait_until_ready(120)
        yield service


def test_a_job_from_its_request_to_its_page_is_a_trace(service: LocalService, taken: Taken) -> None:
    with service.client() as client:
        job = {"user": "alice", "application": "page"}
        made = client.post("/api/v1/jobs", json=job)
        job_id, trace = made.json()["id"], made.headers["X-Request-Id"]
        until(lambda: bool(taken.of(trace)), 120, "the trace is there")
        root, *states = taken.of(trace)
        assert [each["name"] for each in states] == ["accepted", "submitted", "running"]
        assert {each["parentSpanId"] for each in states} == {root["spanId"]}
        assert {"key": "bwvisu.job", "value": {"stringValue": job_id}} in root["attributes"]
        Person(client).cancel(job_id)
