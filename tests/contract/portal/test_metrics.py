"""What Prometheus is told of the portal."""

from bwvisu.adapters.records import decode
from bwvisu.domain.job import JobSpec
from tests.contract.api.service import Service
from tests.support.portal import Visitor


async def test_pages_are_counted_by_their_kind(alice: Visitor) -> None:
    await alice.get("/applications/probe")
    await alice.get("/applications/nothing")
    told = (await alice.get("/metrics")).text
    assert 'bwvisu_portal_requests_total{page="/applications/{name}",status="200"} 1.0' in told
    assert 'bwvisu_portal_requests_total{page="/applications/{name}",status="404"} 1.0' in told
    assert 'bwvisu_portal_request_seconds_count{page="/applications/{name}"} 2.0' in told
    assert "bwvisu_portal_event_streams 0.0" in told
    assert "alice" not in told


async def test_a_pages_request_id_goes_on_to_the_job(alice: Visitor, api: Service) -> None:
    alice.http.headers["X-Request-Id"] = given = "fedcba9876543210fedcba9876543210"
    answer = await alice.post("/applications/probe", {"text": "hello"}, "/applications/probe")
    assert answer.headers["x-request-id"] == given
    (entry,) = (await api.records("specs")).values()
    assert decode(JobSpec, entry.value).request == given
