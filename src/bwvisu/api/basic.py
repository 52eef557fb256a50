"""Who asks by HTTP basic authentication (RFC 7617): only the original's API lets them in, and nobody else.

Of a password only the SHA-256 is known.  That is enough for what `bwvisu token create-basic` draws (256 bits), and
makes a comparison cheap; a password that a person made up could be guessed from it.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.openapi.models import HTTPBase
from fastapi.security.base import SecurityBase

from bwvisu.api.auth import BEHALF, ImpersonationMissing
from bwvisu.api.problems import NotAuthenticated
from bwvisu.api.trail import trail_of
from bwvisu.domain.principal import Principal
from bwvisu.settings import BasicSettings


class PasswordNeeded(NotAuthenticated):
    """No name and password, or wrong ones; which of them is nobody's business."""

    challenge = 'Basic realm="bwVisu"'


class Passwords:
    """The accounts of the settings."""

    def __init__(self, accounts: Sequence[BasicSettings]) -> None:
        self._known = tuple((_digest(each.name), each.password_sha256, each.principal()) for each in accounts)

    def holder(self, authorization: str) -> Principal | None:
        """Whose name and password an ``Authorization`` header holds; None: nobody's, or it holds none."""
        scheme, _, encoded = authorization.partition(" ")
        try:
            text = base64.b64decode(encoded.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            return None
        name, colon, password = text.partition(":")
        return self.principal(name, password) if scheme.lower() == "basic" and colon else None

    def principal(self, name: str, password: str) -> Principal | None:
        """Whose name and password these are.  Takes equally long for all, so that nothing is learnt by timing."""
        given = _digest(name), _digest(password)
        found = None
        for known_name, known_password, principal in self._known:
            same_name = hmac.compare_digest(known_name, given[0])
            if hmac.compare_digest(known_password, given[1]) and same_name:
                found = principal
        return found


class _Basic(SecurityBase):
    """The ``Authorization`` header, read by us: FastAPI's own reader answers some headers by itself."""

    def __init__(self) -> None:
        self.model = HTTPBase(scheme="basic", description="An account of `api.basic`; for the original's API only.")
        self.scheme_name = "basic"

    async def __call__(self, request: Request) -> str:
        """As it came."""
        return request.headers.get("authorization", "")


async def _principal(request: Request, authorization: Annotated[str, Security(_Basic())]) -> Principal:
    passwords: Passwords = request.app.state.passwords
    principal = trail_of(request.scope).principal = passwords.holder(authorization)
    if principal is None:
        raise PasswordNeeded("send a valid name and password by HTTP basic authentication")
    if BEHALF in request.headers:
        raise ImpersonationMissing(f"{BEHALF} is not known here: the original's API acts for everybody")
    return principal


OriginalClient = Annotated[Principal, Depends(_principal)]
"""Who asks.  Raises PasswordNeeded; scopes are the same for all, and enough for the calls that there are."""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
