"""What stands behind the ``?``: taken, or refused by name; never passed over."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.api.service import PASSWORDS, Service
from tests.contract.api.test_bad_input import GOOD, problem
from tests.contract.api.test_event_streams import following
from tests.contract.api.test_jobs import AVAILABLE

DOCUMENT: dict[str, Any] = json.loads(Path("docs/openapi.json").read_text())
OURS = [(method, path) for path, calls in DOCUMENT["paths"].items() if path.startswith("/api/v1/") for method in calls]


def address(path: str, job_id: str) -> str:
    name = "probe" if "applications" in path else "main"
    return path.format(job_id=job_id, name=name, user="alice", gateway="gw1", admission_id="1", share_id="1")


@pytest.mark.parametrize(("method", "path"), OURS)
async def test_no_call_takes_what_it_does_not_know(api: Service, method: str, path: str) -> None:
    job = await api.submit()
    before = await api.records("specs"), await api.records("preferences")
    bodies: dict[str, Any] = {"post": GOOD, "put": {"a": 1}, "patch": {"minutes": 20}}
    answer = await api.client().request(
        method,
        f"{address(path, job['id'])}?dry_run=true&a/b=1",
        json=bodies.get(method),
        headers={"If-Match": "*"} if method == "patch" else {},
    )
    told = problem(answer)
    assert (answer.status_code, told["type"]) == (422, "/problems/invalid-input")
    assert [each["pointer"] for each in told["errors"]] == ["/dry_run", "/a~1b"]
    assert "'dry_run'" in told["detail"]
    assert (await api.records("specs"), await api.records("preferences")) == before
    assert str(answer.status_code) in DOCUMENT["paths"][path][method]["responses"]


async def test_a_misspelt_filter_does_not_show_everything(api: Service) -> None:
    await api.submit()
    answer = await api.client().get("/api/v1/jobs?users=alice&limit=0")
    assert answer.status_code == 422
    assert problem(answer)["errors"] == [
        {"pointer": "/users", "detail": "this call has no query parameter 'users'; did you mean 'user'?"}
    ]


async def test_what_is_given_twice_is_refused(api: Service) -> None:
    answer = await api.client().get("/api/v1/jobs?state=running&state=available")
    assert problem(answer)["errors"] == [
        {"pointer": "/state", "detail": "the query parameter 'state' may be given once"}
    ]


async def test_an_address_full_of_nonsense_gets_a_short_answer(api: Service) -> None:
    answer = await api.client().get("/api/v1/jobs?" + "&".join(f"x{number}=" for number in range(1000)))
    assert (answer.status_code, len(problem(answer)["errors"])) == (422, 50)


async def test_who_may_not_ask_hears_of_that_first(api: Service) -> None:
    assert (await api.client(None).get("/api/v1/jobs?nonsense")).status_code == 401
    assert (await api.client("reader").get("/api/v1/clusters?nonsense")).status_code == 403


async def test_what_is_not_ours_is_as_tolerant_as_ever(api: Service) -> None:
    web = ("bwvisu-web", PASSWORDS["bwvisu-web"][0])
    for path in ("/jobs", "/cluster/check-user/alice"):
        assert (await api.client(None).get(f"{path}?_=1732276800", auth=web)).status_code == 200
    for path in ("/livez", "/readyz", "/metrics", "/openapi.json"):
        assert (await api.client(None).get(f"{path}?_=1732276800")).status_code == 200


async def test_a_stream_is_resumed_by_the_address_too(api: Service) -> None:
    """As scripts do that stand in for EventSource, which sends no token."""
    job = await api.submit()
    async with following(api) as stream:
        await stream.jobs()
    missed = await api.leader.sees(job["id"], AVAILABLE)
    async with following(api, f"/api/v1/events?lastEventId={stream.last_id}") as stream:
        event, data = await stream.event()
        assert (event, data["revision"]) == ("job", missed)
    async with following(api, f"/api/v1/events?lastEventId={stream.last_id}", "nonsense") as stream:
        assert await stream.event() == ("resync", {"reason": "unknown-id"})
