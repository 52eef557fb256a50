"""What Prometheus is told of the portal."""

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
