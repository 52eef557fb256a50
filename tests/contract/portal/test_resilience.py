"""What foreign pages, caches, other frontends and lost answers cannot do to somebody at the portal."""

import html
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from bwvisu.errors import TryAgain
from bwvisu.portal.api import Api
from bwvisu.portal.documents import Job
from bwvisu.rest import Json
from tests.contract.api.service import Service
from tests.support.clock import Clock
from tests.support.portal import Visitor, portal_over

LIFETIME = 8 * 3600


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def portal(api: Service, clock: Clock) -> AsyncIterator[FastAPI]:
    async with portal_over(api.url, "bwv_portal", clock=clock) as app:
        yield app


def field(page: httpx2.Response, name: str) -> str:
    found = re.search(rf'name="{re.escape(name)}"[^>]* value="([^"]*)"', page.text.partition("<form class=")[2])
    assert found, (name, page.text)
    return html.unescape(found[1])


async def jobs(api: Service) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await api.client().get("/api/v1/jobs")).json()["items"]
    return items


@pytest.mark.parametrize("path", ["/site.css", "/logo.svg", "/static/portal.css", "/icons/probe.svg"])
async def test_no_answer_that_a_cache_may_keep_holds_the_session(alice: Visitor, clock: Clock, path: str) -> None:
    clock.now += LIFETIME / 2
    assert "set-cookie" not in (await alice.get(path)).headers
    assert "set-cookie" in (await alice.get("/")).headers  # it was due


@pytest.mark.parametrize("path", ["/applications/probe", "/look", "/sign-out", "/sign-in"])
async def test_a_foreign_pages_form_does_not_end_the_session(alice: Visitor, path: str) -> None:
    """Browsers send it without our cookie, and would store one that came with the answer."""
    kept = dict(alice.http.cookies)
    alice.http.cookies.clear()
    answer = await alice.http.post(
        path, data={"p.text": "planted"}, headers={"Sec-Fetch-Site": "cross-site"}, follow_redirects=False
    )
    assert "set-cookie" not in answer.headers
    alice.http.cookies.update(kept)
    assert "planted" not in (await alice.get("/applications/probe")).text


async def test_a_launch_whose_answer_was_lost_is_tried_again_with_the_same_key(
    alice: Visitor, api: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = Api.submit

    async def lost(self: Api, body: Json, key: str) -> Job:
        await submit(self, body, key)
        raise TryAgain("The service does not answer at the moment.")

    form = {"p.minutes": "21", "p.text": "typed", "p.colour": "red"}
    form["key"] = field(await alice.get("/applications/probe"), "key")
    with monkeypatch.context() as patched:
        patched.setattr(Api, "submit", lost)
        page = await alice.post("/applications/probe", form, "/applications/probe")
    assert page.status_code == 503
    assert "nothing is started twice" in page.text
    assert (field(page, "p.minutes"), field(page, "p.text")) == ("21", "typed")
    again = {"key": field(page, "key"), "p.minutes": "21", "p.text": "typed", "p.colour": "red"}
    assert again["key"] == form["key"]
    changed = await alice.post("/applications/probe", {**again, "p.minutes": "22"}, "/applications/probe")
    assert "Your first try was taken after all" in changed.text
    assert (await alice.post("/applications/probe", again, "/applications/probe")).url.path == "/"
    (job,) = await jobs(api)
    assert job["parameters"]["minutes"] == 21


@pytest.mark.parametrize("kept", [[], 7, {"last": [], "presets": 3}, {"last": {"probe": 1}, "presets": {"probe": []}}])
async def test_what_other_frontends_keep_in_preferences_spoils_no_page(alice: Visitor, api: Service, kept: Any) -> None:
    answer = await api.client().put("/api/v1/users/alice/preferences", json={"portal": kept, "theirs": 1})
    assert answer.is_success
    assert (await alice.get("/applications/probe")).status_code == 200
    assert (await alice.post("/applications/probe", {"p.minutes": "12"}, "/applications/probe")).url.path == "/"
    saved = {"p.minutes": "13", "do": "save-preset", "preset": "Mine"}
    assert "Mine" in (await alice.post("/applications/probe", saved, "/applications/probe")).text
    after = (await api.client().get("/api/v1/users/alice/preferences")).json()
    assert after["theirs"] == 1
    assert after["portal"]["presets"]["probe"]["Mine"]["minutes"] == 13


async def test_a_preset_that_cannot_be_stored_loses_nothing_typed(alice: Visitor, api: Service) -> None:
    full = await api.client().put("/api/v1/users/alice/preferences", json={"theirs": "x" * 32_000})
    assert full.is_success
    form = {"p.text": "t" * 900, "do": "save-preset", "preset": "Mine"}
    page = await alice.post("/applications/probe", form, "/applications/probe")
    assert page.status_code == 422
    assert field(page, "p.text") == form["p.text"]


@pytest.mark.parametrize("wanted", ["de;q=1.2.3", "de;q=", "de;q=0, en", ";;;", "de;q=" + "9" * 400])
async def test_any_wish_for_a_language_gets_a_page(alice: Visitor, wanted: str) -> None:
    answer = await alice.http.get("/", headers={"Accept-Language": wanted})
    assert answer.status_code == 200
    assert 'lang="en"' in answer.text or wanted.startswith("de;q=9")
