"""A provider that is not what it should be: nothing of what it says lets anybody in."""

import html
import json
import re
import socket
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from bwvisu.errors import TryAgain
from bwvisu.portal.signin.oidc import Provider as SignIn
from bwvisu.settings import OidcAuth
from tests.contract.api.service import Service
from tests.support.portal import ORIGIN, Visitor, portal_over
from tests.support.small_api import SmallApi, problem, small_api

KEY = ECKey.generate_key("P-256", {"kid": "1", "alg": "ES256"})
OTHER = ECKey.generate_key("P-256", {"kid": "1", "alg": "ES256"})
NEWER = ECKey.generate_key("P-256", {"kid": "2", "alg": "ES256"})
SECRET = "a secret that is long enough for HS256"
Change = Callable[[dict[str, Any]], object]


def metadata(issuer: str, /, **changes: Any) -> dict[str, Any]:
    plain = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/keys",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
    }
    return {**plain, **changes}


@pytest.fixture
def provider() -> Iterator[SmallApi]:
    with small_api() as liar:
        liar.says("GET /.well-known/openid-configuration", metadata(liar.url))
        liar.says("GET /keys", dict(KeySet([KEY]).as_dict(private=False)))
        yield liar


@pytest.fixture
async def alice(api: Service, provider: SmallApi) -> AsyncIterator[Visitor]:
    plain = {"kind": "oidc", "issuer": provider.url, "client_id": "portal", "client_secret_file": "/nowhere"}
    sign_in = SignIn(OidcAuth.model_validate(plain), SECRET, ORIGIN)
    async with portal_over(api.url, "bwv_portal", sign_in=sign_in, auth=plain, public_url=ORIGIN) as app:
        visitor = Visitor(app)
        yield visitor
        await visitor.http.aclose()


def claims(issuer: str, nonce: str, /, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    plain = {"iss": issuer, "sub": "1", "aud": "portal", "iat": now, "exp": now + 60, "nonce": nonce}
    return {**plain, "preferred_username": "alice", "groups": [], **changes}


def signed(content: dict[str, Any], key: Any = KEY, algorithm: str = "ES256", kid: str = "1") -> str:
    return jwt.encode({"alg": algorithm, "kid": kid}, content, key, algorithms=[algorithm])


async def come_back(visitor: Visitor, provider: SmallApi, token: Callable[[str], Any]) -> httpx2.Response:
    """Go there and come back, where the provider says ``token(nonce)``."""
    answer = await visitor.post("/sign-in/oidc", page="/sign-in")
    found = re.search(r'content="0;url=([^"]+)"', answer.text)
    assert found, answer.text
    query = parse_qs(urlsplit(html.unescape(found[1])).query)
    assert query["code_challenge_method"] == ["S256"]
    provider.says("POST /token", token(query["nonce"][0]))
    return await visitor.get("/sign-in/callback", code="c", state=query["state"][0])


def answered(id_token: str | None) -> dict[str, Any]:
    plain = {"access_token": "a", "token_type": "Bearer", "expires_in": 60}
    return plain if id_token is None else {**plain, "id_token": id_token}


async def test_the_truth_lets_in(alice: Visitor, provider: SmallApi) -> None:
    page = await come_back(alice, provider, lambda nonce: answered(signed(claims(provider.url, nonce))))
    assert (page.status_code, page.url.path) == (200, "/")


async def test_a_key_that_is_new_since_we_asked_lets_in(alice: Visitor, provider: SmallApi) -> None:
    both = KeySet([KEY, NEWER]).as_dict(private=False)
    provider.says("GET /keys", dict(KeySet([KEY]).as_dict(private=False)), dict(both))
    page = await come_back(alice, provider, lambda nonce: answered(signed(claims(provider.url, nonce), NEWER, kid="2")))
    assert page.url.path == "/"


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "that of another"},
        {"nonce": None},
        {"aud": "another client"},
        {"aud": "another client", "azp": "portal"},
        {"aud": ["another client", "portal"], "azp": "another client"},
        {"iss": "https://elsewhere.example"},
        {"exp": int(time.time()) - 3600},
        {"exp": None},
        {"iat": int(time.time()) + 3600},
        {"sub": None},
    ],
    ids=str,
)
async def test_an_id_token_for_others(alice: Visitor, provider: SmallApi, changes: dict[str, Any]) -> None:
    def token(nonce: str) -> dict[str, Any]:
        content = claims(provider.url, nonce, **changes)
        return answered(signed({key: value for key, value in content.items() if value is not None}))

    await nobody_gets_in(alice, await come_back(alice, provider, token), "not valid")


async def nobody_gets_in(visitor: Visitor, page: httpx2.Response, words: str, status: int = 502) -> None:
    assert page.status_code == status, page.text
    assert words in page.text
    assert (await visitor.get("/")).url.path == "/sign-in"


@pytest.mark.parametrize("how", ["another key", "the client's secret", "nobody", "garbage"])
async def test_an_id_token_that_the_provider_has_not_signed(alice: Visitor, provider: SmallApi, how: str) -> None:
    def token(nonce: str) -> dict[str, Any]:
        content = claims(provider.url, nonce)
        match how:
            case "another key":
                return answered(signed(content, OTHER))
            case "the client's secret":
                return answered(signed(content, OctKey.import_key(SECRET), "HS256"))
            case "nobody":
                return answered(f"{_part({'alg': 'none', 'kid': '1'})}.{_part(content)}.")
        return answered("a.b.c")

    await nobody_gets_in(alice, await come_back(alice, provider, token), "administrators")


def _part(content: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


async def test_no_id_token(alice: Visitor, provider: SmallApi) -> None:
    await nobody_gets_in(alice, await come_back(alice, provider, lambda _: answered(None)), "no ID token")


async def test_userinfo_of_another_person(alice: Visitor, provider: SmallApi) -> None:
    provider.says("GET /userinfo", {"sub": "2", "preferred_username": "bob"})

    def token(nonce: str) -> dict[str, Any]:
        content = claims(provider.url, nonce)
        del content["preferred_username"]
        return answered(signed(content))

    await nobody_gets_in(alice, await come_back(alice, provider, token), "another person")


async def test_a_provider_in_trouble_is_tried_again(alice: Visitor, provider: SmallApi) -> None:
    page = await come_back(alice, provider, lambda _: problem(503, "busy", "busy"))
    await nobody_gets_in(alice, page, "try again", 503)


@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable", "access_denied", "<b>"])
async def test_errors_are_believed_only_with_our_state(alice: Visitor, provider: SmallApi, error: str) -> None:
    page = await alice.get("/sign-in/callback", error=error, error_description="Call 0900 now", state="guessed")
    assert page.status_code == 400
    assert "0900" not in page.text


@pytest.mark.parametrize("answer", [{"issuer": "https://elsewhere.example"}, {}, {"jwks_uri": None}])
async def test_metadata_that_are_not_those_of_the_issuer(
    alice: Visitor, provider: SmallApi, answer: dict[str, Any]
) -> None:
    said = metadata(provider.url, **answer) if answer else {}
    provider.says("GET /.well-known/openid-configuration", {k: v for k, v in said.items() if v is not None})
    if "jwks_uri" in answer:
        page = await come_back(alice, provider, lambda nonce: answered(signed(claims(provider.url, nonce))))
    else:
        page = await alice.post("/sign-in/oidc", page="/sign-in")
    await nobody_gets_in(alice, page, "administrators")
    provider.says("GET /.well-known/openid-configuration", metadata(provider.url))


async def test_a_provider_that_says_nothing_is_waited_for_a_while_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        issuer = f"http://127.0.0.1:{mute.getsockname()[1]}"
        plain = {"kind": "oidc", "issuer": issuer, "client_id": "portal", "client_secret_file": "/nowhere"}
        provider = SignIn(OidcAuth.model_validate(plain), SECRET, ORIGIN, timeout=0.2)
        began = time.monotonic()
        with pytest.raises(TryAgain):
            await provider.begin(_empty())
        assert time.monotonic() - began < 5


def _empty() -> Any:
    from starlette.requests import Request

    return Request({"type": "http", "session": {}, "headers": []})
