"""What HTTP asks of every resource: HEAD, and headers that come in several lines."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.contract.api.service import PASSWORDS, Service
from tests.contract.api.test_event_streams import following
from tests.contract.api.test_jobs import AVAILABLE, seen
from tests.support.waiting import eventually

DOCUMENT: dict[str, Any] = json.loads(Path("docs/openapi.json").read_text())
STREAMS = {"/api/v1/events", "/api/v1/jobs/{job_id}/events"}
SHOWN = sorted(path for path, calls in DOCUMENT["paths"].items() if "get" in calls and path not in STREAMS)
VARYING = {"date", "content-length", "x-request-id"}
"""`/metrics` and the age of a look have another length each time; each request has an id of its own."""


async def anyone(api: Service, method: str, path: str) -> httpx2.Response:
    if path.startswith(("/jobs", "/cluster/")):
        web = ("bwvisu-web", PASSWORDS["bwvisu-web"][0])
        return await api.client(None).request(method, path, auth=web)
    return await api.client().request(method, path)


@pytest.mark.parametrize("path", SHOWN)
async def test_head_is_get_without_its_body(api: Service, path: str) -> None:
    job = await seen(api, (await api.submit())["id"], AVAILABLE)
    names = {"job_id": job["id"], "name": "probe" if "applications" in path else "main", "user": "alice"}
    address = path.format(**names, username="alice")
    shown, head = await anyone(api, "GET", address), await anyone(api, "HEAD", address)
    assert head.status_code == shown.status_code
    assert {k: v for k, v in head.headers.items() if k not in VARYING} == {
        k: v for k, v in shown.headers.items() if k not in VARYING
    }
    assert int(head.headers["content-length"]) > 0
    assert head.content == b""


async def test_a_head_is_as_conditional_as_its_get(api: Service) -> None:
    job = await api.submit()
    path = f"/api/v1/jobs/{job['id']}"
    tag = (await api.client().head(path)).headers["etag"]
    assert tag == f'"{job["revision"]}"'
    unchanged = await api.client().head(path, headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.headers["etag"]) == (304, tag)


@pytest.mark.parametrize(("holder", "path", "status"), [(None, "jobs", 401), ("portal", "jobs/nonsense", 404)])
async def test_a_refused_head_is_the_problem_without_its_body(
    api: Service, holder: str | None, path: str, status: int
) -> None:
    answer = await api.client(holder).head(f"/api/v1/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.content == b""


async def test_head_of_what_cannot_be_shown_is_told_what_can_be_done(api: Service) -> None:
    answer = await api.client().head("/api/v1/clusters/main/gateways/gw1/drain")
    assert (answer.status_code, answer.headers["allow"]) == (405, "PUT, DELETE")


async def test_head_of_a_stream_ends_and_leaves_none_behind(api: Service) -> None:
    job = await api.submit()
    for path in ("/api/v1/events", f"/api/v1/jobs/{job['id']}/events"):
        async with asyncio.timeout(5):
            head = await api.client().head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"].startswith("text/event-stream")
        assert head.headers["cache-control"] == "no-store"
    await eventually(lambda: len(api.feed) == 0)
    async with asyncio.timeout(5):  # the connection is still good
        assert (await api.client().get("/livez")).status_code == 200
    async with following(api) as stream:
        assert await stream.jobs() == [job["id"]]


def lines(name: str, *values: str) -> list[tuple[str, str]]:
    return [(name, value) for value in values]


async def test_all_lines_of_if_none_match_are_one_list(api: Service) -> None:
    job = await api.submit()
    path, tag = f"/api/v1/jobs/{job['id']}", f'"{job["revision"]}"'
    for given in (['"0"', tag], [tag, '"0"'], ['"0", "1"', f"W/{tag}"], ['"0"', "*"]):
        answer = await api.client().get(path, headers=lines("If-None-Match", *given))
        assert (answer.status_code, answer.headers["etag"]) == (304, tag), given
    for given in (['"0"', '"1"'], ['"0'], ["", ""]):
        assert (await api.client().get(path, headers=lines("If-None-Match", *given))).status_code == 200, given
    script = f"{path}/script"
    tag = (await api.client().get(script)).headers["etag"]
    for given in (['"x,y"', f"W/{tag}"], ["*"]):
        assert (await api.client().get(script, headers=lines("If-None-Match", *given))).status_code == 304, given


async def test_all_lines_of_if_match_are_one_list(api: Service) -> None:
    path = "/api/v1/users/alice/preferences"
    tag = (await api.client().put(path, json={"n": 0})).headers["etag"]
    weak = await api.client().put(path, json={"n": 1}, headers=lines("If-Match", '"0"', f"W/{tag}"))
    assert weak.status_code == 412
    for number, given in enumerate((['"0"', "{}"], ["{}", '"0"'], ['"0"', "*"]), 2):
        known = [each.format(tag) for each in given]
        answer = await api.client().put(path, json={"n": number}, headers=lines("If-Match", *known))
        assert answer.status_code == 200, given
        tag = answer.headers["etag"]
    first = lines("If-None-Match", '"0"', "*")
    assert (await api.client().put(path, json={"n": 9}, headers=first)).status_code == 412
    assert (await api.client().get(path)).json() == {"n": 4}
