"""Who asks, and for whom: bearer tokens, of which only the SHA-256 is known here."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from bwvisu.api.problems import NotAuthenticated
from bwvisu.api.query import check_query
from bwvisu.api.trail import trail_of
from bwvisu.domain.principal import Principal, Scope
from bwvisu.errors import UserError
from bwvisu.services.accounts import plausible
from bwvisu.services.context import Context, Forbidden
from bwvisu.settings import TokenSettings

_bearer = HTTPBearer(auto_error=False, scheme_name="token", description="A token of `bwvisu token create`.")

BEHALF = "X-On-Behalf-Of"
_Behalf = Annotated[
    str | None,
    Header(
        alias=BEHALF,
        description="The person whom a frontend acts for: the call is answered as to a token that is bound to this "
        "user. Needs the scope `impersonate`.",
    ),
]

REQUESTED = "X-Requested-By"
_Requested = Annotated[
    str | None,
    Header(
        alias=REQUESTED,
        json_schema_extra={"examples": ["carol"]},
        description="The person, an administrator say, at whose wish a frontend asks in its own name: for the audit "
        "trail, it changes no right. Needs the scope `impersonate`.",
    ),
]


class ScopeMissing(UserError):
    """The token is good, but not for this."""

    slug = "scope-missing"


class ImpersonationMissing(UserError):
    """The request names a person to act for, and its token may not do so."""

    slug = "impersonation-missing"


class Tokens:
    """The tokens of the settings.  ``now``: the wall clock, UTC."""

    def __init__(self, tokens: Sequence[TokenSettings], now: Callable[[], datetime]) -> None:
        self._known = tuple((bytes.fromhex(token.sha256), token.expires, token.principal()) for token in tokens)
        self._now = now

    def holder(self, authorization: str) -> Principal | None:
        """Who holds what an ``Authorization`` header says; None: nobody, or it is no bearer token."""
        scheme, _, token = authorization.partition(" ")
        return self.principal(token.strip()) if scheme.lower() == "bearer" else None

    def principal(self, token: str) -> Principal | None:
        """Who holds this token, unless it has expired.

        Takes equally long whichever it is, so that nothing is learnt by timing.
        """
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        found, until = None, None
        for known, expires, principal in self._known:
            if hmac.compare_digest(known, digest):
                found, until = principal, expires
        return found if until is None or self._now() < until else None


class Requires:
    """A dependency: the principal, who has this scope.

    Raises NotAuthenticated, ScopeMissing, and what `on_behalf`, `requested` and `check_query` raise.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def __call__(
        self,
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
        behalf: _Behalf = None,
        requester: _Requested = None,
    ) -> Principal:
        """Judge the request's headers."""
        tokens: Tokens = request.app.state.tokens
        principal = tokens.principal(credentials.credentials) if credentials else None
        if principal is None:
            raise NotAuthenticated("send a valid token as `Authorization: Bearer <token>`")
        trail = trail_of(request.scope)
        trail.principal = principal
        if behalf is not None:
            principal = trail.principal = on_behalf(
                request.app.state.context, principal, request.headers.getlist(BEHALF)
            )
        if requester is not None:
            principal = trail.principal = requested(
                request.app.state.context, principal, request.headers.getlist(REQUESTED)
            )
        if not principal.may(self._scope):
            raise ScopeMissing(f"this needs the scope {self._scope.value}")
        check_query(request)  # of every call below /api/v1; who may not ask hears of that first
        return principal


def on_behalf(context: Context, principal: Principal, named: Sequence[str]) -> Principal:
    """The principal, acting for the person that the header names.

    Raises ImpersonationMissing, UserError (``bad-request``), Forbidden.
    """
    person = _person(context, principal, BEHALF, named)
    if not principal.may_see(person):
        raise Forbidden("this token acts for another user")
    return principal.acting_for(person)


def requested(context: Context, principal: Principal, named: Sequence[str]) -> Principal:
    """The principal, with the person that the header names.

    Raises ImpersonationMissing, UserError (``bad-request``).
    """
    return principal.requested(_person(context, principal, REQUESTED, named))


def _person(context: Context, principal: Principal, header: str, named: Sequence[str]) -> str:
    """Whom a header names; whoever may name a person to act for is believed in this, too."""
    if not principal.may(Scope.IMPERSONATE):
        raise ImpersonationMissing(f"{header} needs the scope {Scope.IMPERSONATE.value}")
    if len(named) != 1 or not plausible(context, named[0]):
        raise UserError(f"{header} must be one user name of a cluster")
    return named[0]


JobReader = Annotated[Principal, Depends(Requires(Scope.JOBS_READ))]
JobWriter = Annotated[Principal, Depends(Requires(Scope.JOBS_WRITE))]
JobConnector = Annotated[Principal, Depends(Requires(Scope.JOBS_CONNECT))]
ClusterReader = Annotated[Principal, Depends(Requires(Scope.CLUSTERS_READ))]
Administrator = Annotated[Principal, Depends(Requires(Scope.ADMIN))]
