"""Sessions: what a cookie is worth, how long, and to whom."""

import re
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from cryptography.fernet import Fernet
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bwvisu.errors import OperatorError
from bwvisu.portal.session import (
    LARGEST,
    RESERVE,
    Person,
    Sealer,
    Sessions,
    csrf_token,
    enter,
    keep_draft,
    leave,
    read_keys,
    seconds_left,
    signed_in,
)
from tests.support.clock import Clock
from tests.unit.portal.noise import noise

KEY, OTHER = Fernet.generate_key().decode(), Fernet.generate_key().decode()
ALICE = Person(user="alice", name="Alice of Example", clusters=("main",))
HOUR = 3600.0


class Site:
    """An application that answers with its session after changing it, and a browser in front of it."""

    def __init__(self, *, keys: str = KEY, secure: bool = False, clock: Callable[[], float] | None = None) -> None:
        self.sealer = Sealer(keys, clock) if clock else Sealer(keys)
        self.change: Callable[[dict[str, Any]], None] = lambda _: None
        self._secure = secure

    async def get(self, cookie: str = "", path: str = "/") -> httpx2.Response:
        """One request."""
        app = Sessions(
            Starlette(routes=[Route("/", self._answer), Route("/events", self._answer)]),
            sealer=self.sealer,
            lifetime=8 * HOUR,
            limit=24 * HOUR,
            secure=self._secure,
        )
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://portal.test") as client:
            return await client.get(path, headers={b"cookie": cookie.encode("latin-1")} if cookie else None)

    async def _answer(self, request: Request) -> JSONResponse:
        self.change(request.session)
        return JSONResponse(request.session)


def cookie(answer: httpx2.Response) -> str:
    """As a browser would send it back; empty: none was set."""
    return answer.headers.get("set-cookie", "").partition(";")[0]


def sign_in(session: dict[str, Any]) -> None:
    enter(session, ALICE)


async def signed(site: Site) -> str:
    """The cookie of somebody who has signed in."""
    site.change = sign_in
    made = cookie(await site.get())
    site.change = lambda _: None
    return made


async def test_a_stranger_gets_no_cookie() -> None:
    assert "set-cookie" not in (await Site().get()).headers


async def test_a_session_comes_back_and_says_nothing_to_who_has_no_key() -> None:
    site = Site()
    held = await signed(site)
    assert (await site.get(held)).json()["person"]["user"] == "alice"
    assert "alice" not in held
    assert (await Site(keys=OTHER).get(held)).json() == {}


@pytest.mark.parametrize("secure", [False, True])
async def test_flags_of_the_cookie(secure: bool) -> None:
    site = Site(secure=secure)
    site.change = sign_in
    name, _, flags = (await site.get()).headers["set-cookie"].partition("=")
    assert name == ("__Host-bwvisu" if secure else "bwvisu")
    said = {flag.strip() for flag in flags.split(";")[1:]}
    assert said == {"Path=/", f"Max-Age={8 * 3600}", "HttpOnly", "SameSite=Lax"} | ({"Secure"} if secure else set())


async def test_a_cookie_that_was_sent_without_tls_counts_for_nothing_with_it() -> None:
    """Another host of the domain could set it; with the prefix browsers take it from nobody but us."""
    held = await signed(Site())
    assert (await Site(secure=True).get(held)).json() == {}


@pytest.mark.parametrize("place", [0, 1, 20, 60, -1])
async def test_a_cookie_that_was_touched_is_none(place: int) -> None:
    site = Site()
    name, _, value = (await signed(site)).partition("=")
    other = "A" if value[place] != "A" else "B"
    touched = value[:place] + other + (value[place + 1 :] if place >= 0 else "")
    assert (await site.get(f"{name}={touched}")).json() == {}


@pytest.mark.parametrize("value", ["", "x", "gAAAAA==", "\xe4", '"', "a=b", "%00", "x" * 10_000])
async def test_any_text_is_no_session(value: str) -> None:
    answer = await Site().get(f"bwvisu={value}")
    assert (answer.status_code, answer.json()) == (200, {})


async def test_cookies_of_others_do_not_hide_ours() -> None:
    site = Site()
    held = await signed(site)
    assert (await site.get(f'a={{"b": "c"}}; d="e; {held}; =f')).json()["person"]["user"] == "alice"


async def test_keys_change_without_anybody_signing_in_anew() -> None:
    held = await signed(Site(keys=OTHER))
    both = Site(keys=f"{KEY}\n{OTHER}\n")
    assert (await both.get(held)).json()["person"]["user"] == "alice"
    both.change = lambda session: session.update(language="de")
    renewed = cookie(await both.get(held))
    assert (await Site(keys=KEY).get(renewed)).json()["language"] == "de"
    assert (await Site(keys=OTHER).get(renewed)).json() == {}


async def test_who_does_something_stays_and_who_does_nothing_is_signed_out() -> None:
    clock = Clock()
    site = Site(clock=clock)
    held = await signed(site)
    clock.now += HOUR
    assert cookie(await site.get(held)) == ""  # not yet worth a new one
    clock.now += 2 * HOUR
    renewed = cookie(await site.get(held))
    assert renewed
    clock.now += 7 * HOUR
    assert (await site.get(held)).json() == {}
    assert (await site.get(renewed)).json()["person"]["user"] == "alice"
    clock.now += 2 * HOUR
    assert (await site.get(renewed)).json() == {}


async def test_what_a_page_asks_for_by_itself_keeps_nobody_signed_in() -> None:
    clock = Clock()
    site = Site(clock=clock)
    held = await signed(site)
    clock.now += 7 * HOUR
    answer = await site.get(held, "/events")
    assert "person" in answer.json()
    assert cookie(answer) == ""
    assert cookie(await site.get(held)) != ""


@pytest.mark.parametrize(
    ("session", "left"),
    [
        ({"at": -HOUR, "since": -HOUR}, 7 * HOUR),
        ({"at": -HOUR, "since": -20 * HOUR}, 4 * HOUR),
        ({"at": -9 * HOUR, "since": -9 * HOUR}, 0),
        ({"at": 0, "since": -25 * HOUR}, 0),
        ({}, 8 * HOUR),
    ],
)
def test_a_session_lasts_until_the_earlier_of_its_ends(session: dict[str, float], left: float) -> None:
    now = 1_800_000_000.0
    moments = {name: now + since for name, since in session.items()}
    assert seconds_left(moments, now, 8 * HOUR, 24 * HOUR) == left


async def test_after_a_day_everybody_signs_in_again_but_the_looks_stay() -> None:
    clock = Clock()
    site = Site(clock=clock)

    def in_the_dark(session: dict[str, Any]) -> None:
        enter(session, ALICE)
        session["theme"] = "dark"

    site.change = in_the_dark
    held = cookie(await site.get())
    site.change = lambda _: None
    for _ in range(8):
        clock.now += 3 * HOUR
        held = cookie(await site.get(held)) or held
        assert "person" in (await site.get(held)).json()
    clock.now += 1
    answer = await site.get(held)
    assert answer.json() == {"theme": "dark"}
    assert (await site.get(cookie(answer))).json()["theme"] == "dark"


async def test_who_signs_out_has_no_cookie_any_more() -> None:
    site = Site()
    held = await signed(site)
    site.change = leave
    answer = await site.get(held)
    assert re.match(r"bwvisu=; Path=/; Max-Age=0;", answer.headers["set-cookie"])


def test_nothing_of_a_strangers_session_goes_on_but_looks_and_the_form() -> None:
    session: dict[str, Any] = {"csrf": "known to the stranger", "theme": "dark", "draft": {"path": "/x"}, "other": 1}
    enter(session, ALICE)
    assert session.keys() == {"person", "csrf", "theme", "draft"}
    assert session["csrf"] != "known to the stranger"
    leave(session)
    assert session == {"theme": "dark"}
    assert signed_in(session) is None


def test_the_proof_of_a_form_is_that_of_its_session() -> None:
    mine: dict[str, Any] = {}
    assert csrf_token(mine) == csrf_token(mine)
    assert csrf_token(mine) != csrf_token({})


async def test_a_session_that_is_too_long_for_a_cookie_loses_the_least() -> None:
    site = Site()

    def told_at_length(session: dict[str, Any]) -> None:
        enter(session, ALICE)
        session["told"] = [["bad", noise(6000)]]

    site.change = told_at_length
    held = cookie(await site.get())
    assert len(held) < LARGEST + 20
    site.change = lambda _: None
    assert (await site.get(held)).json()["person"]["user"] == "alice"


@pytest.mark.parametrize(("size", "kept"), [(10, True), (1500, True), (3500, False), (60_000, False)])
def test_a_form_is_kept_where_a_sign_in_has_room_beside_it(size: int, kept: bool) -> None:
    sealer, session = Sealer(KEY), {"csrf": "c"}
    assert keep_draft(session, sealer, "/applications/x", {"p.text": noise(size)}) is kept
    assert ("draft" in session) is kept
    assert len(sealer.seal(session)) <= LARGEST - RESERVE


def test_plain_text_of_many_fields_is_kept() -> None:
    """What a person types can be compressed: forty fields of a hundred characters."""
    form = {
        f"p.parameter_{number}": f"/home/alice/project/run-{number}/" + "results and more " * 4 for number in range(40)
    }
    assert keep_draft({}, Sealer(KEY), "/applications/x", form)


@pytest.mark.parametrize("keys", ["", "\n", "short", f"{KEY} short"])
def test_a_file_without_good_keys(keys: str, tmp_path: Any) -> None:
    (tmp_path / "keys").write_text(keys)
    with pytest.raises(OperatorError, match="create-key"):
        read_keys(tmp_path / "keys")
    with pytest.raises(OperatorError, match="cannot be read"):
        read_keys(tmp_path / "none")
