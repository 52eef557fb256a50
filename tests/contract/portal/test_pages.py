"""What people do at the portal, without a browser: over a real API."""

import re
from collections.abc import Callable

import pytest

from tests.contract.api.service import Service
from tests.support.portal import ORIGIN, Visitor

Arrive = Callable[[], Visitor]


async def jobs(api: Service) -> list[dict[str, object]]:
    answer = await api.client().get("/api/v1/jobs")
    items: list[dict[str, object]] = answer.json()["items"]
    return items


async def test_who_is_not_signed_in_sees_the_sign_in_page_and_then_the_page_asked_for(visitor: Arrive) -> None:
    alice = visitor()
    asked = await alice.get("/applications/probe")
    assert (asked.url.path, asked.url.params["to"]) == ("/sign-in", "/applications/probe")
    form = {"name": "alice", "password": "correct horse", "to": asked.url.params["to"]}
    answer = await alice.post("/sign-in", form, "/sign-in")
    assert answer.url.path == "/applications/probe"
    assert "Probe" in answer.text


@pytest.mark.parametrize(("name", "words"), [("alice", "Name or password"), ("stranger", "Name or password")])
async def test_a_wrong_password_says_nothing_of_who_exists(visitor: Arrive, name: str, words: str) -> None:
    answer = await visitor().sign_in(name, "wrong")
    assert answer.status_code == 403
    assert words in answer.text


async def test_who_has_no_account_on_the_cluster_is_told_so(visitor: Arrive) -> None:
    answer = await visitor().sign_in("stranger")
    assert answer.status_code == 403
    assert "no account" in answer.text


async def test_guessing_becomes_slow(visitor: Arrive) -> None:
    person = visitor()
    answers = [await person.sign_in("alice", f"wrong {number}") for number in range(8)]
    assert [answer.status_code for answer in answers[:6]] == [403] * 6
    assert answers[-1].status_code == 429
    assert (await person.sign_in("alice")).status_code == 429  # not even the right one


async def test_a_job_is_launched_once_however_often_the_form_is_sent(alice: Visitor, api: Service) -> None:
    page = await alice.get("/applications/probe")
    key = re.search(r'name="key" value="([^"]+)"', page.text)
    assert key
    form = {"key": key[1], "p.minutes": "20", "p.text": "a 'b' $(c)", "p.colour": "green"}
    for _ in range(2):
        answer = await alice.post("/applications/probe", form, "/applications/probe")
        assert answer.url.path == "/"
    (job,) = await jobs(api)
    assert job["user"] == "alice"
    assert job["parameters"] == {"minutes": 20, "text": "a 'b' $(c)", "colour": "green", "flag": False}
    assert f'id="job-{job["id"]}"' in answer.text


async def test_a_fault_stands_beside_its_field_and_nothing_typed_is_lost(alice: Visitor, api: Service) -> None:
    form = {"p.minutes": "999", "p.text": "<b>kept</b>", "p.colour": "green", "p.flag": "true"}
    answer = await alice.post("/applications/probe", form, "/applications/probe")
    assert answer.status_code == 422
    assert re.search(r'id="e-minutes">[^<]+60', answer.text)
    assert 'value="999"' in answer.text
    assert 'value="&lt;b&gt;kept&lt;/b&gt;"' in answer.text
    assert re.search(r'value="green" selected', answer.text)
    assert re.search(r'name="p.flag" value="true" checked', answer.text)
    assert await jobs(api) == []


async def test_a_parameter_that_was_not_asked_for_is_not_sent(alice: Visitor, api: Service) -> None:
    page = await alice.get("/applications/conditional")
    assert 'data-when="flag=true"' in page.text
    await alice.post("/applications/conditional", {"p.colour": "green"}, "/applications/conditional")
    (job,) = await jobs(api)
    assert job["parameters"] == {"minutes": 15, "text": "hello", "flag": False, "colour": "red"}


async def test_the_last_values_and_presets_come_back(alice: Visitor) -> None:
    await alice.post("/applications/probe", {"p.minutes": "33"}, "/applications/probe")
    assert 'value="33"' in (await alice.get("/applications/probe")).text
    saved = await alice.post(
        "/applications/probe", {"p.minutes": "44", "do": "save-preset", "preset": "Long & loud"}, "/applications/probe"
    )
    assert saved.url.params["preset"] == "Long & loud"
    assert 'value="44"' in saved.text
    dropped = await alice.post(
        "/applications/probe", {"do": "drop-preset", "preset": "Long & loud"}, "/applications/probe"
    )
    assert "Long &amp; loud" not in dropped.text
    assert 'value="33"' in dropped.text


async def test_a_form_whose_session_was_over_comes_back_filled(alice: Visitor, api: Service) -> None:
    alice.http.cookies.clear()
    sent = await alice.http.post("/applications/probe", data={"csrf": "old", "p.minutes": "37", "p.text": "mine"})
    assert sent.url.path == "/sign-in"
    assert "is kept" in sent.text
    found = re.search(r'name="csrf" value="([^"]+)"', sent.text)
    assert found
    form = {"csrf": found[1], "name": "alice", "password": "correct horse", "to": sent.url.params["to"]}
    back = await alice.http.post("/sign-in", data=form)
    assert back.url.path == "/applications/probe"
    assert 'value="37"' in back.text
    assert 'value="mine"' in back.text
    assert await jobs(api) == []


async def test_another_persons_session_does_not_exist(visitor: Arrive, alice: Visitor, api: Service) -> None:
    job = await api.submit(user="bob")
    path = f"/sessions/{job['id']}"
    assert job["id"] not in (await alice.get("/")).text
    for page in (path, f"{path}/log", f"{path}/script", f"/applications/probe?job={job['id']}"):
        assert (await alice.get(page)).status_code == 404
    for act in ("stop", "extend", "connect"):
        assert (await alice.post(f"{path}/{act}")).status_code == 404
    assert (await jobs(api))[0]["wanted"] == "running"


async def test_only_administrators_see_the_administration(visitor: Arrive, alice: Visitor, api: Service) -> None:
    job = await api.submit(user="bob")
    for page in ("/admin", "/admin/sessions"):
        assert (await alice.get(page)).status_code == 403
    assert (await alice.post(f"/admin/sessions/{job['id']}/stop")).status_code == 403
    administrator = visitor()
    await administrator.sign_in("admin")
    assert job["id"] in (await administrator.get("/admin/sessions", q="bob")).text
    await administrator.post(f"/admin/sessions/{job['id']}/stop", page="/admin/sessions")
    assert (await jobs(api))[0]["wanted"] == "stopped"


@pytest.mark.parametrize("act", ["stop", "extend", "connect"])
async def test_a_form_from_a_foreign_page_does_nothing(alice: Visitor, api: Service, act: str) -> None:
    job = await api.submit()
    for form in ({}, {"csrf": ""}, {"csrf": "guessed"}, {"csrf": "ü"}):
        answer = await alice.http.post(f"/sessions/{job['id']}/{act}", data=form)
        assert answer.status_code == 400
        assert "too old" in answer.text
    assert (await jobs(api))[0]["wanted"] == "running"


async def test_sign_out_ends_the_session(alice: Visitor) -> None:
    answer = await alice.post("/sign-out")
    assert answer.url.path == "/sign-in"
    assert (await alice.get("/")).url.path == "/sign-in"


async def test_language_and_theme_are_kept_also_across_sign_out(alice: Visitor) -> None:
    await alice.post("/look", {"language": "de", "theme": "dark", "back": "/applications"})
    page = await alice.post("/sign-out")
    assert '<html lang="de" data-theme="dark">' in page.text


async def test_every_answer_keeps_foreign_scripts_out(alice: Visitor) -> None:
    for path in ("/", "/applications", "/applications/probe", "/nothing", "/sessions/none", "/admin"):
        answer = await alice.get(path)
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"<script(?![^>]* src=)|<style|style=| on[a-z]+=\"", answer.text)


async def test_a_page_that_moves_has_words_for_whatever_may_happen_to_it(alice: Visitor, api: Service) -> None:
    job = await api.submit()
    for path, way in (("/", "%2F"), (f"/sessions/{job['id']}", f"%2Fsessions%2F{job['id']}")):
        page = (await alice.get(path)).text
        assert re.search(r'<template id="line-broken">.*line to this portal is broken', page)
        found = re.search(r'<template id="signed-out">.*href="([^"]*)".*</template>', page)
        assert found
        assert found[1].replace("/", "%2F") == f"%2Fsign-in?to={way}"
        assert re.search(
            r'id="words" hidden data-ready="is ready" data-ending="[^"]+" data-idle="[^"]+" data-ended="[^"]+"', page
        )


async def test_a_stop_is_asked_for_twice_by_the_page_alone(visitor: Arrive, api: Service) -> None:
    """Who sends it has said it: without JavaScript there is no question."""
    admin = visitor()
    await admin.sign_in("admin")
    job = await api.submit(user="admin")
    for path in ("/", f"/sessions/{job['id']}", "/admin/sessions"):
        page = (await admin.get(path)).text
        assert page.count('data-confirm="Stop “Probe”') == 1
        assert page.count('<dialog id="confirm"') == 1
    await admin.post(f"/sessions/{job['id']}/stop")
    assert (await jobs(api))[0]["wanted"] == "stopped"


async def test_an_icon_cannot_run_anything(alice: Visitor) -> None:
    answer = await alice.get("/icons/probe.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/applications/none", 404), ("PUT", "/", 405), ("GET", "/icons/none.svg", 404)],
)
async def test_what_is_not_there_is_said_on_a_page(alice: Visitor, method: str, path: str, status: int) -> None:
    answer = await alice.http.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert str(answer.url).startswith(ORIGIN)


async def test_while_the_api_is_away_the_page_says_so(alice: Visitor, portal: object) -> None:
    alice.http.cookies.update({})
    api = portal.state.api  # type: ignore[attr-defined]
    api._client.base_url = "http://127.0.0.1:9/api/v1/"
    answer = await alice.get("/")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert "does not answer" in answer.text
