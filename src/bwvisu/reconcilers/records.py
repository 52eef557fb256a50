"""The leader's copy of everything in the store, sorted by kind, one decoded record per key.

The mirror feeds it; a write of this leader is echoed into it at once, so that the next pass does not plan again what
was just done.  Revisions keep the two apart: an older one never replaces a newer one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import BaseModel

from bwvisu.adapters.etcd import Entry
from bwvisu.adapters.records import Keys, decode
from bwvisu.domain.admission import Admissions
from bwvisu.domain.cluster import ClusterUser, ClusterView, Drain, UserLookup
from bwvisu.domain.job import JobSpec, JobStatus
from bwvisu.domain.notices import Notices
from bwvisu.domain.quota import Quota
from keyhole.domain import JobForwards, PortRequest, Report
from keyhole.salvage import salvage

R = TypeVar("R", bound=BaseModel)

KINDS: Mapping[str, type[BaseModel]] = {
    "specs": JobSpec,
    "status": JobStatus,
    "notices": Notices,
    "admissions": Admissions,
    "forwards": JobForwards,
    "requests": PortRequest,
    "reports": Report,
    "lookups": UserLookup,
    "users": ClusterUser,
    "quota": Quota,
    "gateways": Drain,
    "clusters": ClusterView,
}
"""Kinds that the leader reads; the others are none of its passes' business."""


@dataclass(frozen=True, slots=True)
class Kept(Generic[R]):
    """A record and the revision that wrote it."""

    record: R
    revision: int


@dataclass(slots=True)
class Shelf(Generic[R]):
    """All records of one kind, by what follows the kind in their keys."""

    kept: dict[str, Kept[R]] = field(default_factory=dict)
    groups: dict[str, set[str]] = field(default_factory=dict)
    """Keys by their first part: a job's id where several records belong to one job."""
    newest: dict[str, int] = field(default_factory=dict)
    """Revision of the last change of each key that was echoed, until the mirror has caught up."""

    def get(self, tail: str) -> R | None:
        """The record, or None."""
        kept = self.kept.get(tail)
        return kept.record if kept else None

    def revision(self, tail: str) -> int | None:
        """The record's revision for a compare-and-swap; None: there is no record."""
        kept = self.kept.get(tail)
        return kept.revision if kept else None

    def of(self, group: str) -> list[R]:
        """All records of one group, by key."""
        return [self.kept[tail].record for tail in sorted(self.groups.get(group, ()))]

    def change(self, tail: str, revision: int, record: R | None) -> bool:
        """Take a change in; False where a newer one is known."""
        if revision < self.newest.get(tail, 0):
            return False
        self.newest.pop(tail, None)
        group = tail.partition("/")[0]
        if record is not None:
            self.kept[tail] = Kept(record, revision)
            self.groups.setdefault(group, set()).add(tail)
        elif self.kept.pop(tail, None) is not None:
            self.groups[group].discard(tail)
            if not self.groups[group]:
                del self.groups[group]
        return True

    def echo(self, tail: str, revision: int, record: R | None) -> None:
        """Take in a change that we made ourselves, where the mirror is not ahead of us."""
        if revision >= (self.revision(tail) or 0) and self.change(tail, revision, record):
            self.newest[tail] = revision


class Records:
    """The shelves.  Listeners hear the kind and the tail of every change."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self._listeners: list[Callable[[str, str], None]] = []
        self.specs: Shelf[JobSpec] = Shelf()
        self.status: Shelf[JobStatus] = Shelf()
        self.notices: Shelf[Notices] = Shelf()
        self.admissions: Shelf[Admissions] = Shelf()
        self.forwards: Shelf[JobForwards] = Shelf()
        self.requests: Shelf[PortRequest] = Shelf()
        self.reports: Shelf[Report] = Shelf()
        self.lookups: Shelf[UserLookup] = Shelf()
        self.users: Shelf[ClusterUser] = Shelf()
        self.quota: Shelf[Quota] = Shelf()
        self.gateways: Shelf[Drain] = Shelf()
        self.clusters: Shelf[ClusterView] = Shelf()
        self.unreadable: set[str] = set()
        """Jobs of which some record cannot be read: they are left alone until a person has mended it."""
        self.salvaged: dict[str, JobForwards] = {}
        """What can be known of forwards of which this leader has never seen a readable version."""

    def listen(self, listener: Callable[[str, str], None]) -> None:
        """Call ``listener(kind, tail)`` after each change."""
        self._listeners.append(listener)

    def tell(self, kind: str, tail: str) -> None:
        """Tell the listeners of a change."""
        for listener in self._listeners:
            listener(kind, tail)

    def decode(self, entry: Entry) -> BaseModel | None:
        """Read an entry by its kind; raises ValueError where it is damaged or newer than we are."""
        kind = KINDS.get(self.keys.kind_of(entry.key))
        return decode(kind, entry.value) if kind is not None else None

    def change(self, key: str, revision: int, record: BaseModel | None) -> None:
        """Take in what the mirror saw."""
        kind, tail = self.keys.kind_of(key), self.keys.tail(key)
        if kind == "forwards":
            self.salvaged.pop(tail, None)
        if kind in KINDS and self._shelf(kind).change(tail, revision, record):
            self.tell(kind, tail)

    def set_aside(self, key: str, value: bytes) -> None:
        """Take in that an entry cannot be read any more: its last readable version counts, never its absence.

        That version's revision is not the entry's, so that nothing we write by it replaces the entry.
        """
        kind, tail = self.keys.kind_of(key), self.keys.tail(key)
        if kind == "forwards" and tail not in self.forwards.kept:
            self.salvaged[tail] = salvage(tail, value)
            self.tell(kind, tail)

    def echo(self, key: str, revision: int, record: BaseModel | None) -> None:
        """Take in what we have just written."""
        kind, tail = self.keys.kind_of(key), self.keys.tail(key)
        if kind in KINDS:
            self._shelf(kind).echo(tail, revision, record)
            self.tell(kind, tail)

    def found(self, key: str, entry: Entry | None, revision: int) -> None:
        """Take in what a write of ours met, at ``revision``, instead of what it expected: the mirror may be late."""
        try:
            record = self.decode(entry) if entry is not None else None
        except ValueError:
            return  # the mirror will set it aside
        self.echo(key, entry.mod_revision if entry is not None else revision, record)

    def _shelf(self, kind: str) -> "Shelf[BaseModel]":
        shelf: Shelf[BaseModel] = getattr(self, kind)
        return shelf
