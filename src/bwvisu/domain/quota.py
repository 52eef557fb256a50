"""How many jobs a person may have on a cluster, and which of them count."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from bwvisu.domain.job import JobId, Record


class Quota(Record):
    """The record ``quota/{cluster}/{user}``: the person's jobs there that are not finished.

    The API adds a job in the transaction that accepts it; the leader takes finished ones out.  Both
    compare-and-swap, so that no two replicas give away the last place.  Kept only where a limit applies.
    """

    jobs: Mapping[JobId, str] = Field(default_factory=dict)
    """Job -> its application."""


@dataclass(frozen=True, slots=True)
class Places:
    """How many unfinished jobs one person may have on one cluster; None: any number."""

    running: int | None = None
    """So many of them Slurm may have, waiting in its queue or running."""
    waiting: int = 0
    """So many more are accepted and held back until Slurm may have them."""
    application: int | None = None
    """So many of them may be of one application."""

    @property
    def all(self) -> int | None:
        """Jobs of whatever application."""
        return None if self.running is None else self.running + self.waiting

    @property
    def limited(self) -> bool:
        """Whether anything is to be counted at all."""
        return self.running is not None or self.application is not None


@dataclass(frozen=True, slots=True)
class Full:
    """No place is free: ``used`` of ``allowed``, among the jobs of one application or among all (None)."""

    used: int
    allowed: int
    application: str | None = None


def full(jobs: Mapping[JobId, str], application: str, places: Places) -> Full | None:
    """What keeps one more job of ``application`` from being accepted beside ``jobs``."""
    if places.all is not None and len(jobs) >= places.all:
        return Full(len(jobs), places.all)
    same = sum(each == application for each in jobs.values())
    if places.application is not None and same >= places.application:
        return Full(same, places.application, application)
    return None
