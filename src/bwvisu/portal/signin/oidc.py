"""People of an OpenID Connect provider: authorization code flow with PKCE, state and nonce.

Between the two halves the browser is at the provider's; what the second half must know lies in the encrypted session.
The provider's tokens are looked at once and kept nowhere.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.base_client.errors import MismatchingStateError
from authlib.integrations.starlette_client import StarletteIntegration, StarletteOAuth2App
from fastapi import Request
from joserfc.errors import JoseError

from bwvisu.errors import BwvisuError, OperatorError, TryAgain
from bwvisu.portal.signin import Claim, NotAdmitted, NotSignedIn
from bwvisu.portal.texts import _
from bwvisu.settings import OidcAuth

log = structlog.get_logger(__name__)
CALLBACK = "/sign-in/callback"
"""Where the provider sends people back to; below `portal.public_url`."""
NAME = "oidc"
TIMEOUT = 5.0
"""Seconds for each answer of the provider."""
DEADLINE = 15.0
"""Seconds for all its answers together; somebody waits in front of a screen."""
LEEWAY = 60
"""Seconds by which the provider's clock may differ."""
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Those with a public key: neither unsigned tokens, nor such as everybody could sign who knows the client's secret."""
AWAY = _("The sign-in service does not answer at the moment. Please try again.")


class Provider:
    """One provider as one portal knows it; what it says of itself is fetched with the first sign-in."""

    def __init__(self, settings: OidcAuth, secret: str, public_url: str, *, timeout: float = TIMEOUT) -> None:
        self._settings = settings
        self._redirect_uri = public_url.rstrip("/") + CALLBACK
        self._app = StarletteOAuth2App(
            StarletteIntegration(NAME),
            NAME,
            client_id=settings.client_id,
            client_secret=secret,
            server_metadata_url=f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": " ".join(settings.scopes),
                "code_challenge_method": "S256",
                "verify": _authorities(settings),
                "timeout": timeout,
                "leeway": 0,  # tokens that are good for a minute are common, and used at once
                "trust_env": False,
            },
        )

    async def begin(self, request: Request) -> str:
        """Where the browser is to go.  Raises TryAgain, OperatorError."""
        forget(request)
        async with _told():
            await self._metadata()
            begun = await self._app.create_authorization_url(self._redirect_uri)
        url = str(begun.pop("url"))  # not needed again, and the longest part by far
        await self._app.save_authorize_data(request, redirect_uri=self._redirect_uri, **begun)
        return url

    async def end(self, request: Request) -> Claim:
        """Who has come back.  Raises NotSignedIn, NotAdmitted, TryAgain, OperatorError."""
        async with _told():
            await self._check_state(request)
            metadata = await self._metadata()
            try:
                token = await self._app.authorize_access_token(
                    request, claims_options=self._expected(metadata), leeway=LEEWAY
                )
            finally:
                forget(request)
            proven = token.get("userinfo")
            if not proven:
                raise OperatorError("the provider sent no ID token: does the client have the scope `openid`?")
            return self._claim(await self._all_claims(metadata, token, proven))

    async def _check_state(self, request: Request) -> None:
        """Before anything else of the answer is believed, also of one that tells of an error."""
        state = request.query_params.get("state")
        if not state or not await self._app.framework.get_state_data(request.session, state):
            forget(request)
            raise MismatchingStateError

    def _expected(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "iss": {"essential": True, "value": metadata["issuer"]},
            "aud": {"essential": True, "value": self._settings.client_id},
        }

    async def _metadata(self) -> dict[str, Any]:
        known: dict[str, Any] = self._app.server_metadata
        if "_loaded_at" not in known:
            await self._app.load_server_metadata()
            if str(known.get("issuer", "")).rstrip("/") != self._settings.issuer.rstrip("/"):
                issuer = known.get("issuer")
                known.clear()
                raise OperatorError(f"the provider calls itself {issuer!r}, the settings {self._settings.issuer!r}")
            offered = known.get("id_token_signing_alg_values_supported") or ()
            known["id_token_signing_alg_values_supported"] = [each for each in offered if each in ALGORITHMS]
            methods = known.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
            if "client_secret_basic" not in methods:
                self._app.client_kwargs["token_endpoint_auth_method"] = methods[0]
        return known

    async def _all_claims(
        self, metadata: Mapping[str, Any], token: Mapping[str, Any], proven: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Those of the ID token, and where one that we need is not among them, those that the provider tells us."""
        needed = (self._settings.user_claim, self._settings.groups_claim)
        if all(_find(proven, claim) is not None for claim in needed) or "userinfo_endpoint" not in metadata:
            return proven
        told = await self._app.userinfo(token=dict(token))
        if told.get("sub") != proven["sub"]:
            raise OperatorError("the provider's userinfo is that of another person")
        return {**told, **proven}

    def _claim(self, claims: Mapping[str, Any]) -> Claim:
        settings = self._settings
        name = _find(claims, settings.user_claim)
        if not isinstance(name, str) or not name:
            raise OperatorError(
                f"The provider did not say who you are: there is no claim {settings.user_claim!r} in what it sent."
            )
        groups = _find(claims, settings.groups_claim)
        listed = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
        return Claim(name, str(claims.get("name") or name), tuple(str(group) for group in listed))


def _authorities(settings: OidcAuth) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise OperatorError(f"the provider's authorities cannot be read: {settings.ca_file}") from error


def forget(request: Request) -> None:
    """Nothing of a sign-in that was begun stays in the session."""
    for key in [key for key in request.session if key.startswith(f"_state_{NAME}_")]:
        del request.session[key]


def _find(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name; with dots in it also one inside another, as ``realm_access.roles``."""
    if name in claims:
        return claims[name]
    outer, dot, inner = name.partition(".")
    inside = claims.get(outer)
    return _find(inside, inner) if dot and isinstance(inside, Mapping) else None


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """What the libraries raise, as errors of our tree, within the deadline."""
    try:
        async with asyncio.timeout(DEADLINE):
            yield
    except (httpx2.TransportError, TimeoutError) as error:
        log.warning("the sign-in provider cannot be reached", error=repr(error))
        raise TryAgain(AWAY) from error
    except httpx2.HTTPStatusError as error:
        status = error.response.status_code
        if status >= 500:
            raise TryAgain(AWAY) from error
        raise OperatorError(f"the sign-in provider answers {status} at {error.request.url.path}") from error
    except AuthlibBaseError as error:
        raise _refusal(error) from error
    except JoseError as error:
        raise OperatorError(f"what the sign-in provider sent is not valid: {error}") from error
    except (KeyError, TypeError, ValueError, RuntimeError, httpx2.InvalidURL) as error:
        raise OperatorError(f"the sign-in provider's answer cannot be read: {type(error).__name__}") from error


def _refusal(error: AuthlibBaseError) -> BwvisuError:
    """The provider said no, or an answer does not belong to this browser."""
    match error.error:
        case "access_denied" | "login_required" | "interaction_required" | "consent_required":
            return NotAdmitted(_("The sign-in was cancelled, or you are not allowed to use this service."))
        case "mismatching_state" | "invalid_grant" | "missing_code":
            return NotSignedIn(_("This sign-in took too long, or another one was begun meanwhile. Please try again."))
        case "server_error" | "temporarily_unavailable":
            return TryAgain(AWAY)
    return OperatorError(f"the sign-in provider refuses: {error.error} {error.description or ''}".strip())
