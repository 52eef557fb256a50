"""Sign-in at a real OpenID Connect provider: there, back, and everything that may go wrong on the way."""

import html
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from bwvisu.portal.signin.oidc import Provider as SignIn
from tests.contract.api.service import Service
from tests.support.portal import ORIGIN, Visitor, portal_over
from tests.support.provider import SECRET, Provider, Surfer, running_provider
from tests.support.waiting import free_port

REALM = r"(?P<user>[^@]+)(@example\.org)?"


@pytest.fixture(scope="module", params=["userinfo", "ID token, TLS"])
def provider(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Once as most are: claims are told by userinfo; once with everything in the ID token, over TLS of a site's CA."""
    more = request.param != "userinfo"
    with running_provider(tmp_path_factory.mktemp("provider"), ORIGIN, tls=more, in_id_token=more) as running:
        yield running


@pytest.fixture
async def surfer(provider: Provider) -> AsyncIterator[Surfer]:
    surfer = Surfer(provider)
    yield surfer
    await surfer.close()


@asynccontextmanager
async def arriving(
    api: Service, provider: Provider, *, secret: str = SECRET, public_url: str = ORIGIN, **changes: Any
) -> AsyncIterator[Visitor]:
    """Somebody at a portal whose people come from this provider."""
    auth = provider.settings(**changes)
    sign_in = SignIn(auth, secret, public_url)
    own: dict[str, Any] = {"auth": auth.model_dump(mode="json"), "public_url": public_url, "users": {"pattern": REALM}}
    async with portal_over(api.url, "bwv_portal", sign_in=sign_in, **own) as app:
        visitor = Visitor(app)
        yield visitor
        await visitor.http.aclose()


async def depart(visitor: Visitor, to: str = "/") -> str:
    """Press the button; where the browser is led."""
    answer = await visitor.post("/sign-in/oidc", {"to": to}, "/sign-in")
    assert answer.status_code == 200, answer.text
    found = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', answer.text)
    assert found
    return html.unescape(found[1])


async def sign_in(visitor: Visitor, surfer: Surfer, login: str, to: str = "/") -> httpx2.Response:
    return await visitor.http.get(await surfer.sign_in(await depart(visitor, to), login))


async def test_there_and_back_to_the_page_that_was_asked_for(api: Service, provider: Provider, surfer: Surfer) -> None:
    async with arriving(api, provider) as alice:
        asked = await alice.get("/applications/probe", cluster="main")
        page = await sign_in(alice, surfer, "alice", asked.url.params["to"])
        assert (page.status_code, page.url.path, page.url.params["cluster"]) == (200, "/applications/probe", "main")
        assert "Alice of Example" in page.text
        assert 'href="/admin"' not in page.text


async def test_who_is_in_a_mapped_group_is_an_administrator(api: Service, provider: Provider, surfer: Surfer) -> None:
    api.leader.knows("carol")
    async with arriving(api, provider) as carol:
        page = await sign_in(carol, surfer, "carol")
        assert 'href="/admin"' in page.text
        assert "carol@example.org" in page.text


async def test_claims_inside_others(api: Service, provider: Provider, surfer: Surfer) -> None:
    async with arriving(api, provider, groups_claim="realm_access.roles") as person:
        assert 'href="/admin"' in (await sign_in(person, surfer, "roles")).text


async def test_a_form_survives_the_way_to_the_provider_and_back(
    api: Service, provider: Provider, surfer: Surfer
) -> None:
    async with arriving(api, provider) as alice:
        sent = await alice.http.post("/applications/probe", data={"p.minutes": "37", "p.text": "mine & yours"})
        assert "is kept" in sent.text
        back = await sign_in(alice, surfer, "alice", sent.url.params["to"])
        assert back.url.path == "/applications/probe"
        assert 'value="37"' in back.text
        assert 'value="mine &amp; yours"' in back.text
        assert (await api.client().get("/api/v1/jobs")).json()["items"] == []


@pytest.mark.parametrize(
    ("login", "status", "words"),
    [("stranger", 403, "no account “stranger”"), ("nameless", 502, "no claim &#39;preferred_username&#39;")],
)
async def test_who_is_not_let_in_reads_why(
    api: Service, provider: Provider, surfer: Surfer, login: str, status: int, words: str
) -> None:
    async with arriving(api, provider) as person:
        page = await sign_in(person, surfer, login)
        assert (page.status_code, page.url.path) == (status, "/sign-in/callback")
        assert words in page.text
        assert "/sign-in/oidc" in page.text, "there is no way to try again"
        assert (await person.get("/")).url.path == "/sign-in"


async def test_whoever_gives_up_at_the_provider_reads_so(api: Service, provider: Provider, surfer: Surfer) -> None:
    async with arriving(api, provider) as alice:
        page = await alice.http.get(await surfer.sign_in(await depart(alice), "alice", cancel=True))
        assert page.status_code == 403
        assert "cancelled" in page.text


async def test_the_session_keeps_nothing_of_the_providers(api: Service, provider: Provider, surfer: Surfer) -> None:
    async with arriving(api, provider) as alice:
        await sign_in(alice, surfer, "alice")
        sealer = alice.app.state.sealer
        kept = sealer.open(next(cookie.value for cookie in alice.http.cookies.jar), 60)
        assert set(kept) == {"person", "csrf", "at", "since"}


@pytest.mark.parametrize("change", ["state", "no state", "another browser", "twice", "code", "no code"])
async def test_an_answer_that_is_not_that_to_our_question(
    api: Service, provider: Provider, surfer: Surfer, change: str
) -> None:
    async with arriving(api, provider) as alice:
        back = httpx2.URL(await surfer.sign_in(await depart(alice), "alice"))
        match change:
            case "another browser":
                alice.http.cookies.clear()
            case "twice":
                first = dict(alice.http.cookies)
                assert (await alice.http.get(back)).url.path == "/"
                alice.http.cookies.clear()
                alice.http.cookies.update(first)
            case "state" | "code":
                back = back.copy_set_param(change, "guessed")
            case _:
                back = back.copy_remove_param(change.removeprefix("no "))
        page = await alice.http.get(back)
        assert page.status_code == 400
        assert "try again" in page.text
        assert (await alice.get("/")).url.path == "/sign-in"


async def test_back_in_the_browsers_history_harms_nobody(api: Service, provider: Provider, surfer: Surfer) -> None:
    async with arriving(api, provider) as alice:
        back = await surfer.sign_in(await depart(alice), "alice")
        await alice.http.get(back)
        assert (await alice.http.get(back)).url.path == "/"
        assert "Alice of Example" in (await alice.get("/")).text


async def test_a_departure_that_nobody_asked_for(api: Service, provider: Provider) -> None:
    async with arriving(api, provider) as alice:
        answer = await alice.http.post("/sign-in/oidc", data={"csrf": "guessed"})
        assert answer.status_code == 400
        assert "refresh" not in answer.text


@pytest.mark.parametrize("kind", ["password", "provider"])
async def test_only_the_sites_own_kind_of_sign_in_is_there(api: Service, provider: Provider, kind: str) -> None:
    if kind == "provider":
        async with arriving(api, provider) as person:
            answer = await person.post("/sign-in", {"name": "alice", "password": "correct horse"}, "/sign-in")
            assert answer.url.path == "/sign-in"
            assert "correct horse" not in answer.text
        return
    async with portal_over(api.url, "bwv_portal") as app:
        person = Visitor(app)
        assert (await person.post("/sign-in/oidc", page="/sign-in")).url.path == "/sign-in"
        assert (await person.get("/sign-in/callback", code="x", state="y")).url.path == "/sign-in"


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"secret": "wrong"}, 502, "invalid_client"),
        ({"user_claim": "uid"}, 502, "no claim &#39;uid&#39;"),
    ],
)
async def test_what_an_administrator_must_mend(
    api: Service, provider: Provider, surfer: Surfer, changes: dict[str, str], status: int, words: str
) -> None:
    async with arriving(api, provider, **changes) as alice:
        page = await sign_in(alice, surfer, "alice")
        assert page.status_code == status
        assert words in page.text
        assert "administrators" in page.text


@pytest.mark.parametrize(
    ("issuer", "status", "words"),
    [("http://127.0.0.1:{port}", 503, "try again"), ("{issuer}/realms/other", 502, "404")],
)
async def test_a_provider_that_is_not_there(
    api: Service, provider: Provider, issuer: str, status: int, words: str
) -> None:
    issuer = issuer.format(port=free_port(), issuer=provider.issuer)
    async with arriving(api, provider, issuer=issuer) as alice:
        answer = await alice.post("/sign-in/oidc", page="/sign-in")
        assert answer.status_code == status
        assert ("retry-after" in answer.headers) is (status == 503)
        assert words in answer.text
