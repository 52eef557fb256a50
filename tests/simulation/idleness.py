"""Nobody's job is stopped for not being used when it was: what users really sent, and when, by the world's own time."""

from collections.abc import Callable, Mapping
from typing import Any

from bwvisu.domain.lifecycle import Phase
from keyhole.domain import JobForwards

LATE = 60.0
"""Seconds between a look at connections and the stop that follows from it: gateways and etcd may be slow.  At most a
quarter of the whole time: so short ones are of worlds in which nobody sends anything."""


class Idleness:
    """``now``: seconds since the world began."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._sent: dict[tuple[str, int], float] = {}
        """(gateway, port) -> when its users sent something last."""
        self._begun: dict[str, float] = {}
        """Job id -> when it became available, or was kept."""

    def sent(self, gateway: str, port: int) -> None:
        """A user has sent something through this port."""
        self._sent[gateway, port] = self._now()

    def kept(self, job_id: str, before: Mapping[str, Any] | None, spec: Mapping[str, Any]) -> None:
        """A spec was stored."""
        if before is not None and before.get("kept_at") != spec.get("kept_at"):
            self._begun[job_id] = self._now()

    def unjust(self, job_id: str, spec: Mapping[str, Any], forwards: JobForwards, *statuses: Mapping[str, Any]) -> str:
        """Why a job should not be stopped that is by the second status, and was not by the first; empty: it may be."""
        before, after = statuses
        if after["phase"] == Phase.READY and before["phase"] != Phase.READY:
            self._begun[job_id] = self._now()
        if not _stopped(after) or _stopped(before):
            return ""
        if spec["wanted"] == "stopped":
            return "its owner had stopped it already"
        ports = [(grant.gateway, each.external_port) for grant in forwards.grants for each in grant.forwards]
        last = max([self._begun.get(job_id, self._now()), *(self._sent.get(port, 0.0) for port in ports)])
        idle = self._now() - last
        return (
            "" if idle >= spec["idle_stop"] - min(LATE, spec["idle_stop"] / 4) else f"it was idle for {idle:.0f} s only"
        )


def _stopped(status: Mapping[str, Any]) -> bool:
    return (status.get("idle") or {}).get("stopped_at") is not None
