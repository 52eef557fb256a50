"""When forwards may move to another gateway: what an observer of the whole world knows of it (I4, I5, fault 20)."""

import math
from collections import defaultdict
from collections.abc import Callable

from keyhole.domain import LIVE, Grant, GrantPhase, JobForwards

MOVE_AFTER = 15.0
"""The default of the settings."""
_LAG = 60.0
"""Seconds for which a leader may act by an order that is not given any more."""


class Moves:
    """``now``: seconds since the world began."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.count = 0
        """Grants that have ever moved."""
        self._now = now
        self._heard: dict[tuple[str, str], float] = defaultdict(lambda: -math.inf)
        """(gateway, process) -> when its last answer came there."""
        self._vacated: dict[str, float] = defaultdict(lambda: -math.inf)
        """Gateway -> until when it was to be vacated."""

    def heard(self, gateway: str, process: str) -> None:
        """An answer has reached a process."""
        self._heard[gateway, process] = self._now()

    def ordered(self, gateway: str, move: bool) -> None:
        """An administrator wants a gateway to be vacated, or not any more."""
        if move:
            self._vacated[gateway] = math.inf
        elif self._vacated[gateway] == math.inf:
            self._vacated[gateway] = self._now()

    def unfounded(self, leader: str, before: JobForwards, after: JobForwards) -> str:
        """What is wrong with a new version of a record by what has moved in it; empty: nothing."""
        live = [grant for grant in after.grants if grant.phase in LIVE]
        if len({grant.run for grant in live}) < len(live):
            return f"a run has two live grants: {live}"
        for grant in live:
            old = before.grant_for(grant.run)
            if old is not None and old.gateway != grant.gateway:
                self.count += 1
                if why := self._wrong(leader, old, grant, after):
                    return why
        return ""

    def _wrong(self, leader: str, old: Grant, new: Grant, after: JobForwards) -> str:
        if _inside(old) != _inside(new) or old.hosts != new.hosts:
            return f"it moved from {old} to other places: {new}"
        if not any(each.phase is GrantPhase.CLOSING and _same(each, old) for each in after.grants):
            return f"it moved and the old way is not closing: {after.grants}"
        silence = self._now() - self._heard[old.gateway, leader]
        if silence < MOVE_AFTER - 0.1 and self._now() > self._vacated[old.gateway] + _LAG:
            return f"{leader} moved it off {old.gateway}, which it had heard {silence:.1f} s before"
        return ""


def _inside(grant: Grant) -> list[tuple[str, int]]:
    return [(each.internal_host, each.internal_port) for each in grant.forwards]


def _same(one: Grant, other: Grant) -> bool:
    return (one.run, one.gateway, one.forwards) == (other.run, other.gateway, other.forwards)
