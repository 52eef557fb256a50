"""What happens to jobs, in order, and what a reader is told of it.  Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

from bwvisu.domain.job import JobId, JobSpec

_POSITION = re.compile(r"([0-9]{1,19})\.([0-9]{1,19})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in history: all up to ``revision`` of a store in its ``generation``, which a restore raises.

    Greater is later.
    """

    generation: int
    revision: int

    def __str__(self) -> str:
        return f"{self.generation}.{self.revision}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what a stream gave out; None for anything else."""
        match = _POSITION.fullmatch(text)
        return cls(int(match[1]), int(match[2])) if match else None


class Lapse(StrEnum):
    """Why a stream begins anew with a snapshot; the names are the API's contract."""

    HISTORY_GONE = "history-gone"
    """What happened in between is not kept any more, or was never known."""
    OTHER_GENERATION = "other-generation"
    """The store was restored from a backup: revisions mean something else now."""
    UNKNOWN_ID = "unknown-id"
    """The id is none of ours, or lies in etcd's own future."""
    TOO_SLOW = "too-slow"
    """The reader fell too far behind."""


@dataclass(frozen=True, slots=True)
class Event:
    """A job after a change: its document, or None when it was forgotten."""

    revision: int
    job_id: JobId
    user: str
    cluster: str
    document: bytes | None = field(repr=False)
    last: bool = True
    """Its reader has now everything of this revision, and may resume from here."""


@dataclass(frozen=True, slots=True)
class Interest:
    """Which jobs a stream tells of; None: any."""

    job_id: JobId | None = None
    user: str | None = None
    cluster: str | None = None

    def admits(self, event: Event) -> bool:
        """Whether the event is about one of them."""
        return self._is_met(event.job_id, event.user, event.cluster)

    def covers(self, spec: JobSpec) -> bool:
        """Whether the job is one of them."""
        return self._is_met(spec.id, spec.user, spec.cluster)

    def _is_met(self, job_id: JobId, user: str, cluster: str) -> bool:
        return (
            (self.job_id is None or self.job_id == job_id)
            and (self.user is None or self.user == user)
            and (self.cluster is None or self.cluster == cluster)
        )


@dataclass(frozen=True, slots=True)
class Moment:
    """What one transaction did to jobs."""

    revision: int
    events: tuple[Event, ...]

    def chosen(self, interest: Interest) -> Sequence[Event]:
        """The events that are of interest.  Only with the last of them has their reader seen all of the revision."""
        if len(self.events) == 1:
            return self.events if interest.admits(self.events[0]) else ()
        found = [event for event in self.events if interest.admits(event)]
        return [replace(event, last=event is found[-1]) for event in found]

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        return sum(len(event.document or b"") for event in self.events) + 200


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Documents of jobs as they were at ``revision``, which comes with the last part of a snapshot only."""

    documents: tuple[bytes, ...] = field(repr=False)
    revision: int | None


@dataclass(frozen=True, slots=True)
class Resync:
    """What the reader has does not lead to what is now: forget it; a snapshot follows."""

    reason: Lapse


@dataclass(frozen=True, slots=True)
class Quiet:
    """A sign of life: nothing more of interest happened up to ``revision``."""

    revision: int


Part = Snapshot | Resync | Event | Quiet
"""What a stream is made of."""
