"""Since when a gateway has been silent, and whether that is long enough to leave it.  Pure: the asker tells the time.

What counts is this leader's own asking: a gateway is silent from the first question that it was asked in vain since it
last answered.  Two things make the silence ours instead, and begin it anew: nobody asked for a while (this process was
stopped), or no gateway at all has answered for a while (our own network was away).  An answer of any kind ends it: a
gateway that refuses rules is there.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

EVERY = 1.5
"""Seconds between two looks at each gateway's silence."""
ASK_AFTER = 3.0
"""A gateway that has said nothing for so many seconds is asked for no other reason than to hear it."""
DEAF_AFTER = 7.5
"""When no gateway has answered for so many seconds, or none was watched, the silence is ours."""
FRESH = 5.0
"""The last question that failed was put at most so many seconds before patience ended: one that hangs for long says
nothing about its end.  A host that failed is left alone for no longer than this (`ssh.backoff_limit`)."""


@dataclass(slots=True)
class _Contact:
    heard: float = -math.inf
    """When it last answered."""
    silent_from: float | None = None
    failed_from: float = -math.inf
    """When the latest question was put that has failed."""


class Reach:
    """What one leader has heard of its gateways; ``now``: monotonic seconds.

    ``patience``: seconds of silence after which a gateway is lost.
    """

    def __init__(self, gateways: Iterable[str], patience: float) -> None:
        self._patience = patience
        self._contacts = {name: _Contact() for name in gateways}
        self._watched = -math.inf

    def asked(self, gateway: str, now: float) -> None:
        """A question is on its way."""
        contact = self._contacts[gateway]
        if contact.silent_from is None:
            contact.silent_from = now

    def failed(self, gateway: str, began: float) -> None:
        """A question that was put at ``began`` did not reach it, or its answer did not come."""
        contact = self._contacts[gateway]
        contact.failed_from = max(contact.failed_from, began)

    def answered(self, gateway: str, now: float) -> None:
        """It said something, whatever it was."""
        if now - self._heard() > DEAF_AFTER:
            self._begin_anew(now)
        self._contacts[gateway] = _Contact(heard=now)

    def watch(self, now: float) -> None:
        """Somebody looks: to be called every `EVERY` seconds."""
        if now - self._watched > DEAF_AFTER:
            self._begin_anew(now)
        self._watched = now

    def due(self, gateway: str, now: float) -> bool:
        """Whether it is to be asked just to hear it."""
        return now - self._contacts[gateway].heard >= ASK_AFTER

    def lost(self, now: float) -> frozenset[str]:
        """Gateways that could not be reached for too long, while another one could be."""
        if now - self._heard() > DEAF_AFTER or now - self._watched > DEAF_AFTER:
            return frozenset()
        return frozenset(name for name, contact in self._contacts.items() if self._is_lost(contact, now))

    def _is_lost(self, contact: _Contact, now: float) -> bool:
        if contact.silent_from is None or now - contact.silent_from < self._patience:
            return False
        return contact.failed_from - contact.silent_from >= self._patience - FRESH

    def _heard(self) -> float:
        """When any gateway last answered."""
        return max((contact.heard for contact in self._contacts.values()), default=-math.inf)

    def _begin_anew(self, now: float) -> None:
        for contact in self._contacts.values():
            if contact.silent_from is not None:
                contact.silent_from = now
