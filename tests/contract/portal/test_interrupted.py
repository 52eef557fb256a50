"""A session that was over: whatever somebody did then is not done, and nothing of it is lost."""

import asyncio
import html
import re
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from bwvisu.errors import TryAgain
from bwvisu.portal.signin import Claim
from bwvisu.portal.signin.ldap import LdapPasswords
from tests.contract.api.service import Service
from tests.support.clock import Clock
from tests.support.portal import PASSWORD, AnyPassword, Visitor, portal_over
from tests.support.slapd import READER_PASSWORD, Slapd, new_slapd
from tests.unit.portal.noise import noise

HOUR = 3600
FILLED = {"p.minutes": "37", "p.text": "mine & 'yours' <b>", "p.colour": "green", "p.flag": "true"}


@pytest.fixture(scope="module")
def slapd() -> Iterator[Slapd]:
    with new_slapd() as server:
        server.person("alice", PASSWORD)
        server.load()
        server.start()
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["local", "ldap"])
async def alice(request: pytest.FixtureRequest, api: Service, clock: Clock, slapd: Slapd) -> AsyncIterator[Visitor]:
    """Signed in, at a portal whose clock the test sets."""
    ldap = LdapPasswords(slapd.settings(), READER_PASSWORD)
    kind = AnyPassword() if request.param == "local" else ldap
    async with portal_over(api.url, "bwv_portal", sign_in=kind, clock=clock) as app:
        visitor = Visitor(app)
        await visitor.sign_in("alice")
        yield visitor
        await visitor.http.aclose()


async def sign_in_at(alice: Visitor, page: httpx2.Response) -> httpx2.Response:
    """On the sign-in page that is shown."""
    fields = {"csrf": hidden(page, "csrf"), "to": hidden(page, "to"), "name": "alice", "password": PASSWORD}
    return await alice.http.post("/sign-in", data=fields)


def hidden(page: httpx2.Response, name: str) -> str:
    found = re.search(rf'name="{re.escape(name)}" value="([^"]*)"', page.text.partition("<main")[2])
    assert found, (name, page.text)
    return html.unescape(found[1])


async def jobs(api: Service) -> list[dict[str, object]]:
    items: list[dict[str, object]] = (await api.client().get("/api/v1/jobs")).json()["items"]
    return items


def is_filled(page: httpx2.Response, text: str = FILLED["p.text"]) -> None:
    assert page.url.path == "/applications/probe"
    assert 'value="37"' in page.text
    assert f'value="{html.escape(text)}"' in page.text.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
    assert re.search(r'value="green" selected', page.text)
    assert re.search(r'name="p.flag" value="true" checked', page.text)


async def test_a_form_comes_back_filled_and_is_then_launched(alice: Visitor, api: Service, clock: Clock) -> None:
    form = await alice.get("/applications/probe")
    clock.now += 9 * HOUR
    asked = await alice.http.post("/applications/probe", data={"csrf": hidden(form, "csrf"), "key": "k", **FILLED})
    assert asked.url.path == "/sign-in"
    assert "is kept" in asked.text
    page = await sign_in_at(alice, asked)
    is_filled(page)
    assert hidden(page, "key") != "k"
    assert await jobs(api) == []
    fields = {"csrf": hidden(page, "csrf"), "key": hidden(page, "key"), **FILLED}
    assert (await alice.http.post("/applications/probe", data=fields)).url.path == "/"
    (job,) = await jobs(api)
    assert job["parameters"] == {"minutes": 37, "text": FILLED["p.text"], "colour": "green", "flag": True}
    assert 'value="37"' in (await alice.get("/applications/probe")).text  # as the last values, now


async def test_a_form_that_is_too_long_for_a_cookie_comes_back_by_its_own_page(
    alice: Visitor, api: Service, clock: Clock
) -> None:
    clock.now += 9 * HOUR
    long = {**FILLED, "p.text": noise(50_000) + "<&'"}
    page = await alice.http.post("/applications/probe", data={"csrf": "old", "key": "k", **long})
    assert page.status_code == 403
    assert "Sign in in another window" in page.text
    again = {name: hidden(page, name) for name in long}
    assert again == long
    assert "key" not in re.findall(r'name="(\w+)"', page.text.partition("<main")[2])
    still = await alice.http.post("/applications/probe", data=again)
    assert still.status_code == 403  # whoever goes on too early has lost nothing either
    await alice.sign_in("alice")
    back = await alice.http.post("/applications/probe", data=again)
    assert "You have signed in since" in html.unescape(back.text)
    is_filled(back, long["p.text"])
    assert await jobs(api) == []


async def test_a_form_of_an_older_session_comes_back_filled(alice: Visitor, api: Service) -> None:
    old = hidden(await alice.get("/applications/probe"), "csrf")
    await alice.post("/sign-out")
    await alice.sign_in("alice")  # in another window
    back = await alice.http.post("/applications/probe", data={"csrf": old, "key": "k", **FILLED})
    is_filled(back)
    assert await jobs(api) == []
    fields = {"csrf": hidden(back, "csrf"), "key": hidden(back, "key"), **FILLED}
    assert (await alice.http.post("/applications/probe", data=fields)).url.path == "/"
    assert len(await jobs(api)) == 1


@pytest.mark.parametrize("act", ["stop", "extend", "connect"])
@pytest.mark.parametrize(
    ("back", "leads_to"),
    [("", "/sessions/{id}"), ("/applications", "/applications"), ("https://evil.example/", "/")],
)
async def test_what_was_not_done_is_not_done_later(
    alice: Visitor, api: Service, clock: Clock, act: str, back: str, leads_to: str
) -> None:
    job = await api.submit()
    clock.now += 9 * HOUR
    asked = await alice.http.post(f"/sessions/{job['id']}/{act}", data={"csrf": "old", "back": back})
    assert asked.url.path == "/sign-in"
    assert "Nothing was done" in asked.text
    assert "is kept" not in asked.text
    page = await sign_in_at(alice, asked)
    assert page.url.path == leads_to.format(id=job["id"])
    assert "Nothing was done" not in page.text
    (now,) = await jobs(api)
    assert (now["wanted"], now["revision"]) == ("running", job["revision"])


async def test_a_sign_in_page_that_was_left_open_for_long_still_leads_there(alice: Visitor, clock: Clock) -> None:
    await alice.post("/sign-out")
    left = await alice.get("/applications/probe", cluster="main")
    clock.now += 9 * HOUR
    page = await sign_in_at(alice, left)
    assert page.status_code == 400
    assert 'name="name" value="alice"' in page.text
    assert PASSWORD not in page.text
    there = await sign_in_at(alice, page)
    assert (there.url.path, there.url.params["cluster"]) == ("/applications/probe", "main")


async def test_a_form_that_waits_is_that_of_one_application_and_gone_with_a_sign_out(
    alice: Visitor, clock: Clock
) -> None:
    clock.now += 9 * HOUR
    asked = await alice.http.post("/applications/probe", data=FILLED)
    await sign_in_at(alice, asked)
    clock.now += 9 * HOUR
    await alice.http.post("/applications/probe", data=FILLED)
    await alice.sign_in("alice")
    assert 'value="37"' not in (await alice.get("/applications/conditional")).text
    await alice.post("/sign-out")
    await alice.sign_in("alice")
    assert 'value="37"' not in (await alice.get("/applications/probe")).text


async def test_a_stream_of_who_is_signed_out_ends_and_is_not_redirected(alice: Visitor, clock: Clock) -> None:
    clock.now += 9 * HOUR
    answer = await alice.http.get("/events", headers={"accept": "text/event-stream"})
    assert (answer.status_code, answer.history) == (401, [])


@pytest.mark.parametrize("alice", ["local"], indirect=True)
@pytest.mark.parametrize("hours", [[8], [7, 7, 7, 3]])
async def test_a_stream_ends_with_its_session_and_does_not_come_back(
    alice: Visitor, clock: Clock, hours: list[int]
) -> None:
    """Without use after eight hours, however much it is used after a day: here it begins in the last second of it."""
    headers = {"accept": "text/event-stream"}
    *used, last = hours
    for each in used:
        clock.now += each * HOUR
        await alice.get("/")
    clock.now += last * HOUR
    answer = await asyncio.wait_for(alice.http.get("/events", headers=headers), 10)
    assert (answer.status_code, answer.text.startswith("retry: ")) == (200, True)
    clock.now += 2
    assert (await alice.http.get("/events", headers=headers)).status_code == 401


async def test_who_has_signed_out_may_press_it_again(alice: Visitor) -> None:
    token = await alice.csrf()
    for _ in range(2):
        answer = await alice.http.post("/sign-out", data={"csrf": token})
        assert (answer.status_code, answer.url.path) == (200, "/sign-in")


async def test_many_guesses_at_once_are_many_guesses(alice: Visitor) -> None:
    await alice.post("/sign-out")
    token = await alice.csrf("/sign-in")
    form = {"csrf": token, "name": "bob", "password": "wrong"}
    answers = await asyncio.gather(*(alice.http.post("/sign-in", data=form) for _ in range(20)))
    assert sorted({answer.status_code for answer in answers}) == [403, 429]
    assert [answer.status_code for answer in answers].count(403) <= 6


class Away:
    """A directory that does not answer."""

    async def check(self, name: str, password: str) -> Claim | None:  # noqa: ARG002 nobody is asked
        """See `Passwords`."""
        raise TryAgain("The directory does not answer at the moment.", after=7)


async def test_while_nobody_can_say_nobody_is_slowed_down(api: Service) -> None:
    async with portal_over(api.url, "bwv_portal", sign_in=Away()) as app:
        person = Visitor(app)
        for _ in range(8):
            answer = await person.sign_in("alice")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
            assert "directory does not answer" in answer.text
            assert 'name="name" value="alice"' in answer.text
