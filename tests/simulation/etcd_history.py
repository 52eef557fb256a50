"""The keys of the simulated etcd, now and before: revisions, conditions, operations, compaction.  Pure.

What it does is what etcd 3.4.23 was seen to do (``tests/contract/etcd``), defects included.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bwvisu.adapters.etcd import (
    MAX_OPERATIONS,
    Absent,
    Compacted,
    Condition,
    CreatedAt,
    Delete,
    DeletePrefix,
    Entry,
    EtcdRefused,
    Event,
    Operation,
    Put,
    Span,
    TransactionTooLarge,
    Unchanged,
)

LARGEST_REQUEST = 1_572_864
"""Bytes (``--max-request-bytes``)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction that changed something, and what its keys were before it."""

    revision: int
    events: tuple[Event, ...]
    before: tuple[Entry | None, ...]


class History:
    """Every key at every revision since the compacted one."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.revision = 1
        self.compacted = 0
        self._steps: list[Step] = []

    def holds(self, condition: Condition) -> bool:
        """Whether a condition is met; an absent key has the revision 0."""
        entry = self.entries.get(condition.key)
        match condition:
            case Absent():
                return entry is None
            case Unchanged(mod_revision=revision):
                return (entry.mod_revision if entry else 0) == revision
            case CreatedAt(create_revision=revision):
                return (entry.create_revision if entry else 0) == revision

    def apply(self, operations: Iterable[Operation]) -> Step | None:
        """Do the operations in order; the revision goes on by one, unless they change nothing: None."""
        events: list[Event] = []
        before: list[Entry | None] = []
        for operation in operations:
            for event in self._events(operation):
                before.append(self.entries.pop(event.key, None))
                events.append(event)
                if event.entry is not None:
                    self.entries[event.key] = event.entry
        if not events:
            return None
        self.revision += 1
        self._steps.append(Step(self.revision, tuple(events), tuple(before)))
        return self._steps[-1]

    def _events(self, operation: Operation) -> list[Event]:
        """What an operation does to the keys as they are."""
        revision = self.revision + 1
        match operation:
            case Put(key=key, value=value, lease=lease):
                old = self.entries.get(key)
                created = old.create_revision if old else revision
                return [Event(key, revision, Entry(key, value, created, revision, lease))]
            case Delete(key=key):
                return [Event(key, revision, None)] if key in self.entries else []
            case DeletePrefix(prefix=prefix):
                return [Event(key, revision, None) for key in sorted(self.entries) if key.startswith(prefix)]

    def at(self, revision: int) -> dict[str, Entry]:
        """All entries as they were (do not change them); raises Compacted."""
        if revision < self.compacted:
            raise Compacted("etcdserver: mvcc: required revision has been compacted")
        if revision > self.revision:
            raise Compacted("etcdserver: mvcc: required revision is a future revision")
        if revision == self.revision:
            return self.entries
        entries = dict(self.entries)
        for step in reversed(self._steps):
            if step.revision > revision:
                _undo(step, entries)
        return entries

    def replay(self, span: Span, start: int) -> list[Event]:
        """What a watch from ``start`` is owed at once; raises Compacted.

        A removal *at* the compacted revision is owed and not delivered: its tombstone is gone (etcd issue 19179).  Here
        it goes at once; real etcd compacts by and by.
        """
        if start < self.compacted:
            raise Compacted(f"history before revision {self.compacted} is compacted")
        return [
            event
            for step in self._steps
            if step.revision >= start
            for event in step.events
            if event.key in span and (event.entry or step.revision != self.compacted)
        ]

    def compact(self, revision: int) -> None:
        """Forget what was before ``revision``."""
        if not self.compacted < revision <= self.revision:
            raise ValueError(f"cannot compact at {revision}: {self.compacted} is compacted, {self.revision} is now")
        self.compacted = revision
        self._steps = [step for step in self._steps if step.revision >= revision]

    def restore(self, revision: int, entries: dict[str, Entry]) -> None:
        """Become what an earlier, or another, etcd was."""
        self.revision = self.compacted = revision
        self.entries = dict(entries)
        self._steps = []


def _undo(step: Step, entries: dict[str, Entry]) -> None:
    for event, old in zip(reversed(step.events), reversed(step.before), strict=True):
        if old is None:
            entries.pop(event.key, None)
        else:
            entries[event.key] = old


def check(conditions: Sequence[Condition], operations: Sequence[Operation]) -> None:
    """Refuse what etcd refuses whatever it holds; raises TransactionTooLarge, EtcdRefused."""
    if max(len(conditions), len(operations)) > MAX_OPERATIONS:
        raise TransactionTooLarge("etcdserver: too many operations in txn request")
    puts = [operation for operation in operations if isinstance(operation, Put)]
    keys = {put.key for put in puts}
    if len(keys) < len(puts) or any(_removes(operation, key) for operation in operations for key in keys):
        raise EtcdRefused("INVALID_ARGUMENT: etcdserver: duplicate key given in txn request")
    if sum(len(put.key) + len(put.value) for put in puts) > LARGEST_REQUEST:
        raise TransactionTooLarge("etcdserver: request is too large")


def _removes(operation: Operation, key: str) -> bool:
    match operation:
        case Put():
            return False
        case Delete():
            return operation.key == key
        case DeletePrefix():
            return key.startswith(operation.prefix)
