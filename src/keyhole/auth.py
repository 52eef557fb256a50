"""Who speaks: a request signed with the key of one attempt of one job.  Pure; the clock and the secret are arguments.

The attempt's key is derived from the job's secret, so nobody has to store it, and an attempt that has been
superseded still authenticates, as exactly what it is.
"""

import hmac
import re
from dataclasses import dataclass, field
from hashlib import sha256

ALLOWED_SKEW = 300
"""Seconds that the clocks of a compute node and of the keyhole may differ."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_NONCE = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NOBODY = bytes(32)
"""Stands in for the secret of an unknown job, so that the answer takes as long as for a known one."""


def attempt_key(secret: bytes, attempt: int) -> str:
    """The key of one attempt, 64 hexadecimal digits; this text itself is the HMAC key of `signature`."""
    return hmac.new(secret, f"bwvisu keyhole attempt {attempt}".encode(), sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Call:
    """What is signed besides time and nonce; ``path`` begins with ``/keyhole/v1/`` whatever a proxy puts before it."""

    method: str
    path: str
    body: bytes = field(repr=False)


def signature(key: str, call: Call, timestamp: str, nonce: str) -> str:
    """What ``X-Keyhole-Signature`` must hold, in lower-case hexadecimal digits."""
    message = "\n".join((call.method, call.path, timestamp, nonce, sha256(call.body).hexdigest()))
    return hmac.new(key.encode(), message.encode(), sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Credentials:
    """The three ``X-Keyhole-*`` headers as they came; empty where one is missing."""

    timestamp: str
    nonce: str
    signature: str = field(repr=False)

    @property
    def well_formed(self) -> bool:
        """Whether a look at the body is worth the effort."""
        return bool(
            _TIMESTAMP.fullmatch(self.timestamp)
            and _NONCE.fullmatch(self.nonce)
            and _SIGNATURE.fullmatch(self.signature)
        )


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job's own attempt speaks, now."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Skewed:
    """The signature is right but its time is not: a wrong clock, or an old request played again."""

    server_time: int
    """Seconds since 1970; told only to the owner of the key."""


@dataclass(frozen=True, slots=True)
class Denied:
    """Not signed by this attempt's key, or no such job; which of them is nobody's business."""


Verdict = Accepted | Skewed | Denied


def judge(secret: bytes | None, attempt: int, call: Call, credentials: Credentials, now: float) -> Verdict:
    """Who calls?  ``secret`` is None for an unknown job; ``now`` is in seconds since 1970."""
    if not credentials.well_formed:
        return Denied()
    key = attempt_key(_NOBODY if secret is None else secret, attempt)
    expected = signature(key, call, credentials.timestamp, credentials.nonce)
    genuine = hmac.compare_digest(expected, credentials.signature)
    if not genuine or secret is None:
        return Denied()
    if abs(now - int(credentials.timestamp)) > ALLOWED_SKEW:
        return Skewed(int(now))
    return Accepted(attempt)
