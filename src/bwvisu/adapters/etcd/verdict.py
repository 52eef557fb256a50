"""What a failed call means: pure, by gRPC's status code and etcd's words.

etcd's error texts are part of its API (``api/v3rpc/rpctypes/error.go``); its clients compare them too.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from grpc import StatusCode

from bwvisu.adapters.etcd.errors import (
    Compacted,
    EtcdError,
    EtcdFull,
    EtcdRefused,
    EtcdUnavailable,
    LeaseLost,
    TransactionTooLarge,
)


class Fate(Enum):
    """What became of a request that failed."""

    NOT_APPLIED = auto()
    """It did nothing and may be repeated, best at another member."""
    TOKEN = auto()
    """It did nothing; it needs a fresh login."""
    OUTDATED = auto()
    """It did nothing, since somebody's rights changed meanwhile; again, after a fresh login where there was one."""
    UNKNOWN = auto()
    """It may have been applied, or still be."""
    REFUSED = auto()
    """It did nothing and never will."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A failure as judged: what became of the request, and the error to raise when no repetition helps."""

    fate: Fate
    error: EtcdError


_UNSENT = "failed to connect to all addresses"
# gRPC's words for a server that we do not trust, a name that does not fit, and a server that does not trust us.
_CERTIFICATE = re.compile(r"certificate|verification check|TSI_DATA_CORRUPTED", re.IGNORECASE)
_NOT_APPLIED = ("etcdserver: no leader", "etcdserver: too many requests", "etcdserver: not capable")
_TOKEN = (
    "etcdserver: invalid auth token",
    "etcdserver: user name is empty",
)
_OUTDATED = "etcdserver: revision of auth store is old"
_HARMLESS: tuple[tuple[str | tuple[str, ...], Fate, type[EtcdError]], ...] = (
    (_TOKEN, Fate.TOKEN, EtcdRefused),
    (_OUTDATED, Fate.OUTDATED, EtcdUnavailable),
    (_NOT_APPLIED, Fate.NOT_APPLIED, EtcdUnavailable),
)
_AMBIGUOUS = frozenset(
    {
        StatusCode.UNAVAILABLE,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.CANCELLED,
        StatusCode.INTERNAL,
        StatusCode.UNKNOWN,
    }
)
_FINAL: dict[str, type[EtcdError]] = {
    "auth: permission denied": EtcdRefused,  # of a snapshot: these are the words of a stream, without a code
    "etcdserver: mvcc: required revision has been compacted": Compacted,
    "etcdserver: mvcc: required revision is a future revision": Compacted,
    "etcdserver: mvcc: database space exceeded": EtcdFull,
    "etcdserver: requested lease not found": LeaseLost,
    "etcdserver: request is too large": TransactionTooLarge,
    "etcdserver: too many operations in txn request": TransactionTooLarge,
    "grpc: received message larger than max": TransactionTooLarge,
}


def judge(code: StatusCode, words: str) -> Verdict:
    """Judge a call that ended with ``code`` and ``words`` (gRPC's "details")."""
    if words.startswith(_UNSENT):
        refused = _CERTIFICATE.search(words)
        return Verdict(Fate.NOT_APPLIED, (EtcdRefused if refused else EtcdUnavailable)(words))
    for beginnings, fate, kind in _HARMLESS:
        if words.startswith(beginnings):
            return Verdict(fate, kind(words))
    for text, error in _FINAL.items():
        if words.startswith(text):
            return Verdict(Fate.REFUSED, error(words))
    if code in _AMBIGUOUS:
        return Verdict(Fate.UNKNOWN, EtcdUnavailable(f"{code.name}: {words}"))
    return Verdict(Fate.REFUSED, EtcdRefused(f"{code.name}: {words}"))


def judge_cancelled_watch(response: Any) -> EtcdError | None:
    """Say why etcd ended, or never began, a watch; None for a response that is not an end.

    etcd 3.4 answers a watch without rights, or with an expired token, by one response that is created *and*
    canceled, with the reason in words: it must be looked for.
    """
    if response.compact_revision:
        return Compacted(f"history before revision {response.compact_revision} is compacted")
    if not response.canceled:
        return None
    words = response.cancel_reason or "the watch was cancelled without a reason"
    if "required revision has been compacted" in words:
        return Compacted(words)
    return EtcdUnavailable(words) if "no leader" in words else EtcdRefused(words)
