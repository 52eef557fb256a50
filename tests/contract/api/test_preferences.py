"""A person's preferences: kept whole, versioned, and nobody else's."""

import asyncio
from typing import Any

import httpx2
import pytest

from tests.contract.api.service import Service
from tests.contract.api.test_bad_input import problem

ALICES = "/api/v1/users/alice/preferences"
VALUES: dict[str, Any] = {"last": {"terminal": {"minutes": 30}}, "presets": [1, 2.5, None, True, "ü☃"], "n": 10**30}


async def put(api: Service, values: Any = None, holder: str = "portal", **headers: str) -> httpx2.Response:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.client(holder).put(ALICES, json=VALUES if values is None else values, headers=told)


async def test_nothing_is_an_empty_object_whose_version_may_be_replaced(api: Service) -> None:
    nothing = await api.client().get(ALICES)
    assert (nothing.status_code, nothing.json(), nothing.headers["etag"]) == (200, {}, '"0"')
    kept = await put(api, If_Match=nothing.headers["etag"])
    assert (kept.status_code, kept.json()) == (200, VALUES)
    again = await api.client().get(ALICES)
    assert (again.json(), again.headers["etag"]) == (VALUES, kept.headers["etag"])
    assert (await api.client().get(ALICES, headers={"If-None-Match": kept.headers["etag"]})).status_code == 304
    assert list(await api.records("preferences")) == ["alice"]


async def test_who_names_an_old_version_overwrites_nothing(api: Service) -> None:
    first = await put(api)
    second = await put(api, {"second": 1}, If_Match=first.headers["etag"])
    assert second.status_code == 200
    for header in (first.headers["etag"], '"0"', f"W/{second.headers['etag']}", "", "nonsense"):
        late = await put(api, {"late": 1}, If_Match=header)
        assert (late.status_code, problem(late)["type"]) == (412, "/problems/precondition-failed"), header
    assert (await put(api, {"new": 1}, If_None_Match="*")).status_code == 412
    assert (await api.client().get(ALICES)).json() == {"second": 1}
    assert (await put(api, {"any": 1}, If_Match="*")).status_code == 200
    assert (await put(api, {"last": 1})).status_code == 200


async def test_of_many_who_know_the_same_version_one_wins(api: Service) -> None:
    async def race(**header: str) -> list[int]:
        answers = await asyncio.gather(*(put(api, {"writer": number}, **header) for number in range(6)))
        return sorted(answer.status_code for answer in answers)

    assert await race(If_None_Match="*") == [200, *[412] * 5]
    assert await race(If_Match=(await api.client().get(ALICES)).headers["etag"]) == [200, *[412] * 5]


async def test_only_their_own(api: Service) -> None:
    await put(api)
    bobs = "/api/v1/users/bob/preferences"
    for method in ("GET", "PUT"):
        body: Any = {} if method == "PUT" else None
        bound = await api.client("alices").request(method, bobs, json=body)
        acting = await api.client().request(method, bobs, json=body, headers={"X-On-Behalf-Of": "alice"})
        for answer in (bound, acting):
            assert (answer.status_code, problem(answer)["type"]) == (403, "/problems/forbidden")
    assert (await api.client("alices").get(ALICES)).json() == VALUES
    assert list(await api.records("preferences")) == ["alice"]


@pytest.mark.parametrize("user", ["root", "Alice", "a%20b", "..%2falice", "a" * 200, "al%00ice"])
async def test_what_is_no_name_has_no_preferences(api: Service, user: str) -> None:
    for method in ("GET", "PUT"):
        answer = await api.client().request(
            method, f"/api/v1/users/{user}/preferences", json={} if method == "PUT" else None
        )
        assert answer.status_code == 404
        assert problem(answer)["type"] in {"/problems/user-not-found", "/problems/not-found"}
    assert await api.records("preferences") == {}


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        (b"[]", 422, "invalid-input"),
        (b"null", 422, "invalid-input"),
        (b'"text"', 422, "invalid-input"),
        (b'{"x": NaN}', 422, "invalid-input"),
        (b'{"x": 1e999}', 422, "invalid-input"),
        (b'{"x": "\\ud800"}', 422, "invalid-input"),
        (b'{"x": "' + b"x" * 32_768 + b'"}', 422, "invalid-input"),
        (b'{"x":' * 17 + b"1" + b"}" * 17, 422, "invalid-input"),
        (b'{"x":' * 10_000 + b"1" + b"}" * 10_000, 400, "malformed-json"),
        (b'{"x": ' + b"9" * 5000 + b"}", 400, "malformed-json"),
        (b"{", 400, "malformed-json"),
        (b'{"x": "' + b"x" * 70_000 + b'"}', 413, "body-too-large"),
    ],
)
async def test_what_cannot_be_kept_is_refused(api: Service, body: bytes, status: int, slug: str) -> None:
    answer = await api.client().put(ALICES, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, problem(answer)["type"]) == (status, f"/problems/{slug}")
    assert await api.records("preferences") == {}
