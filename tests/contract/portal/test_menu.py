"""Language and theme are chosen on every page, which is then still there, with everything that was typed."""

import html
import re

import httpx2
import pytest

from tests.contract.api.service import Service
from tests.contract.api.test_jobs import AVAILABLE, seen
from tests.support.portal import PASSWORD, Visitor
from tests.unit.portal.noise import noise

FORM = "/applications/probe"
TYPED = {"p.minutes": "999", "p.text": "mine", "p.colour": "green", "p.flag": "true", "preset": "Not yet"}
GERMAN = {"language": "de", "theme": "dark"}


def menu(page: httpx2.Response) -> dict[str, str]:
    """The fields that the menu sends, as far as they are hidden."""
    found = re.search(r'<form class="look".*?</form>', page.text, re.DOTALL)
    assert found, page.text
    fields = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', found[0])
    return {name: html.unescape(value) for name, value in fields}


async def choose(person: Visitor, page: httpx2.Response) -> httpx2.Response:
    answer = await person.http.post("/look", data={**menu(page), **GERMAN})
    assert answer.status_code == 200
    assert '<html lang="de" data-theme="dark">' in answer.text
    return answer


@pytest.mark.parametrize("path", ["/applications?q=pro%20be&category=", "/", "/sign-in?to=%2Fapplications%3Fq%3D1"])
async def test_a_page_that_was_opened_stays_with_what_was_searched_for(alice: Visitor, path: str) -> None:
    if path.startswith("/sign-in"):
        await alice.post("/sign-out")
    answer = await choose(alice, await alice.get(path))
    assert str(answer.url).endswith(path)


async def test_a_page_that_came_by_post_leads_to_the_one_it_was_sent_from(alice: Visitor, api: Service) -> None:
    job = await api.submit()
    await seen(api, job["id"], AVAILABLE)
    connect = await alice.post(f"/sessions/{job['id']}/connect")
    assert (await choose(alice, connect)).url.path == f"/sessions/{job['id']}"
    stale = await alice.http.post(f"/sessions/{job['id']}/stop", data={"csrf": "old"})
    assert (await choose(alice, stale)).url.path == f"/sessions/{job['id']}"


async def test_after_a_wrong_password_the_way_is_not_lost(alice: Visitor) -> None:
    await alice.post("/sign-out")
    form = {"name": "alice", "password": "wrong", "to": FORM}
    page = await choose(alice, await alice.post("/sign-in", form, "/sign-in"))
    assert (page.url.path, page.url.params["to"]) == ("/sign-in", FORM)


async def test_what_was_typed_into_a_form_is_sent_with_the_choice_and_comes_back(alice: Visitor, api: Service) -> None:
    faulty = await alice.post(FORM, TYPED, FORM)
    for page in (await alice.get(FORM), faulty):
        assert 'action="/look"' not in page.text
        assert len(re.findall(r'<select [^>]*form="launch"', page.text)) == 2
        assert re.findall(r'<button[^>]* name="do" value="([^"]*)"', page.text)[:2] == ["launch", "choose-look"]
    answer = await alice.post(FORM, {**TYPED, **GERMAN, "do": "choose-look"}, FORM)
    assert '<html lang="de" data-theme="dark">' in answer.text
    for piece in ('value="999"', 'value="mine"', 'value="green" selected', 'value="true" checked', 'value="Not yet"'):
        assert piece in answer.text
    assert (await api.client().get("/api/v1/jobs")).json()["items"] == []


async def test_what_is_nowhere_but_on_the_page_cannot_be_left_by_the_menu(alice: Visitor) -> None:
    await alice.post("/sign-out")
    kept = await alice.http.post(FORM, data={"p.text": noise(50_000)})
    assert "in another window" in kept.text
    assert "<select" not in kept.text


async def test_who_has_signed_in_is_sent_on_from_the_chosen_language(alice: Visitor) -> None:
    await alice.post("/sign-out")
    page = await choose(alice, await alice.get("/sign-in", to=FORM))
    found = re.search(r'name="to" value="([^"]*)"', page.text)
    assert found
    form = {"name": "alice", "password": PASSWORD, "to": html.unescape(found[1])}
    assert (await alice.post("/sign-in", form, "/sign-in")).url.path == FORM
