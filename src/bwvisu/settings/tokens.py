"""Who may speak to the REST API: tokens, and accounts of the original's API."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AwareDatetime, Field

from bwvisu.domain.principal import Principal, Scope
from bwvisu.settings.types import Name, Section, Sha256

EXPIRES_SOON = timedelta(days=30)
"""Within this time a token's expiry is warned of."""


class TokenSettings(Section):
    """One holder of a token; `bwvisu token create` prints these lines."""

    name: Name
    """Shown in logs, in the audit trail and as `created_by`; two tokens may share it if they allow the same."""
    sha256: Sha256
    """SHA-256 of the token in hexadecimal; the token itself is in no file of ours."""
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    """What it allows: `jobs:read`, `jobs:write`, `jobs:connect`, `clusters:read`, `impersonate`, `admin`."""
    user: Annotated[str, Field(min_length=1)] | None = None
    """Bound to this one person: other people's jobs do not exist for it."""
    expires: AwareDatetime | None = None
    """From then on it opens nothing, e.g. `2027-06-30T00:00:00Z`; none: it is good until its line is taken out."""

    def principal(self) -> Principal:
        """Who speaks with this token."""
        return Principal(self.name, self.scopes, self.user)


def unique_tokens(tokens: Sequence[TokenSettings]) -> Sequence[TokenSettings]:
    """The tokens, or ValueError.

    While a holder changes tokens, two of them have its name: then they allow the same, so that it stays one holder.
    """
    known: dict[str, TokenSettings] = {}
    for token in tokens:
        other = known.setdefault(token.name, token)
        if other is not token and (other.sha256 == token.sha256 or other.principal() != token.principal()):
            raise ValueError(f"two tokens have the same name {token.name!r}")
    if twice := repeated(token.sha256 for token in tokens):
        raise ValueError(f"two tokens have the same sha256 {twice!r}")
    return tokens


def expired_tokens(tokens: Iterable[TokenSettings], now: datetime) -> list[str]:
    """One line for each token that opens nothing any more, or will not for long."""
    said = []
    for position, token in enumerate(tokens):
        if token.expires is not None and token.expires - now < EXPIRES_SOON:
            word = "has expired" if token.expires <= now else "expires"
            at = token.expires.astimezone(UTC)
            said.append(f"api.tokens.{position}: {token.name} {word} at {at:%Y-%m-%d %H:%M} UTC")
    return said


class BasicSettings(Section):
    """One account of the original's API; `bwvisu token create-basic` prints these lines."""

    name: Name
    """The user name, e.g. `bwvisu-web`; shown in logs, in the audit trail and as `created_by`."""
    password_sha256: Sha256
    """SHA-256 of the password in hexadecimal.  It protects a long drawn password, never one that a person made up."""
    user: Annotated[str, Field(min_length=1)] | None = None
    """Bound to this one person: other people's jobs do not exist for it."""

    def principal(self) -> Principal:
        """Who speaks with this password: what the original's calls need, and no more."""
        return Principal(self.name, _ORIGINAL_SCOPES, self.user)


_ORIGINAL_SCOPES = frozenset({Scope.JOBS_READ, Scope.JOBS_WRITE, Scope.CLUSTERS_READ})


def repeated(values: Iterable[str]) -> str | None:
    """A value that stands there twice; None: there is none."""
    return next((value for value, count in Counter(values).items() if count > 1), None)
