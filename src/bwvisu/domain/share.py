"""Other people whom a job's owner lets in: by name, or by a link that admits whoever opens it."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable

from pydantic import AwareDatetime

from bwvisu.domain.job import JobId, Record
from bwvisu.domain.naming import ULID

TOKEN_BYTES = 20
"""160 bits that nobody guesses: 32 characters of base 32."""
_TOKEN = re.compile(rf"(?P<job>{ULID.pattern})-[a-z2-7]{{32}}", re.ASCII)


class Share(Record):
    """One person, or one link."""

    id: str
    """A ULID in lower case; names it among the job's."""
    user: str | None = None
    """The person; None: it is a link."""
    token_sha256: str = ""
    """Of a link's token, which is stored nowhere."""
    view_only: bool = False
    """They see, and do nothing."""
    by: str = ""
    """Name of the token that asked."""
    at: AwareDatetime
    expires_at: AwareDatetime


class Shares(Record):
    """The record ``shares/{id}``: whom the owner lets in.  Written by the API; what expired says nothing."""

    entries: tuple[Share, ...] = ()


def new_token(job_id: JobId, chance: bytes) -> str:
    """What a link carries: the job, by which its share is found, and `TOKEN_BYTES` of chance."""
    return f"{job_id}-{base64.b32encode(chance).decode('ascii').lower()}"


def job_of(token: str) -> JobId | None:
    """The job that a token opens; None: this is none of ours."""
    match = _TOKEN.fullmatch(token)
    return match["job"] if match else None


def digest_of(token: str) -> str:
    """As it is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def by_token(entries: Iterable[Share], token: str) -> Share | None:
    """The link that this token opens, of shares that count.

    Takes equally long whichever it is, so that nothing is learnt by timing.
    """
    digest, found = digest_of(token), None
    for share in entries:
        if hmac.compare_digest(share.token_sha256, digest):
            found = share
    return found


def by_user(entries: Iterable[Share], user: str) -> Share | None:
    """Of shares that count, what lets this person in by name: of several the one that allows most."""
    own = [share for share in entries if share.user == user]
    return min(own, key=lambda share: share.view_only, default=None)
