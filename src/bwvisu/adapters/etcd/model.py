"""The words in which the rest of the program talks about etcd: entries, transactions, changes, and a store.

Nothing here knows gRPC.  :class:`Store` is what the mirror, leadership and services depend on; the real
:class:`~bwvisu.adapters.etcd.Etcd` and the simulation's etcd both are one, and one contract suite runs on both.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

MAX_OPERATIONS = 128
"""Conditions, or operations, that etcd takes in one transaction (``--max-txn-ops``, etcd's default)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key as it was at some revision.

    ``create_revision`` stays as long as the key lives; ``mod_revision`` is that of its last write;
    ``lease`` is 0 for a key that stays.
    """

    key: str
    value: bytes
    create_revision: int
    mod_revision: int
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """Keys from the first that begins with ``first`` to the last that begins with ``last``, in etcd's order.

    A prefix is a span that begins and ends with it.  Raises ValueError for an empty one, which etcd takes for
    "everything" in places, and for one that ends before it begins.
    """

    first: str
    last: str

    def __post_init__(self) -> None:
        if not self.first or self.first > self.last:
            raise ValueError("an etcd key or prefix must not be empty, nor a span end before it begins")

    @classmethod
    def of(cls, keys: "str | Span") -> "Span":
        """A prefix as a span."""
        return keys if isinstance(keys, Span) else cls(keys, keys)

    def __contains__(self, key: str) -> bool:
        return self.first <= key and (key < self.last or key.startswith(self.last))

    def __str__(self) -> str:
        return self.first if self.first == self.last else f"{self.first}…{self.last}"


Keyspace = str | Span
"""Where to look: a prefix, or a span of them."""


@dataclass(frozen=True, slots=True)
class Listing:
    """All entries of a keyspace, in the order of their keys, as they were at ``revision``."""

    entries: Mapping[str, Entry]
    revision: int
    more: bool = False
    """Entries were left out because of the ``limit``."""


@dataclass(frozen=True, slots=True)
class Absent:
    """Condition: the key does not exist."""

    key: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Condition: the key was last written at ``mod_revision``."""

    key: str
    mod_revision: int


@dataclass(frozen=True, slots=True)
class CreatedAt:
    """Condition: the key exists, unbroken since ``create_revision``, whatever was written to it since."""

    key: str
    create_revision: int


Condition = Absent | Unchanged | CreatedAt


@dataclass(frozen=True, slots=True)
class Put:
    """Operation: store ``value``; the key goes with the ``lease`` (its id) when that ends, 0 = stays."""

    key: str
    value: bytes
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Delete:
    """Operation: remove one key; removing an absent key is no error."""

    key: str


@dataclass(frozen=True, slots=True)
class DeletePrefix:
    """Operation: remove every key that begins with ``prefix`` (not empty)."""

    prefix: str


Operation = Put | Delete | DeletePrefix


@dataclass(frozen=True, slots=True)
class Committed:
    """All conditions held; the operations took effect together at ``revision``."""

    revision: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """A condition did not hold and nothing was changed; ``current`` shows the conditions' keys as they are."""

    current: Mapping[str, Entry | None]
    revision: int


@dataclass(frozen=True, slots=True)
class Event:
    """A key was written (``entry``) or removed (None) at ``revision``."""

    key: str
    revision: int
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in order, of whole transactions only; a watch may be resumed at ``revision + 1``."""

    revision: int
    events: tuple[Event, ...]

    def transactions(self) -> "Iterator[Batch]":
        """Each transaction as a batch of its own."""
        for revision, events in groupby(self.events, lambda event: event.revision):
            yield Batch(revision, tuple(events))


class Lease(Protocol):
    """A promise that etcd forgets some keys unless we keep saying that we live."""

    @property
    def id(self) -> int:
        """What a :class:`Put` names to hang its key on this lease."""

    def remaining(self) -> float:
        """Seconds that the lease surely still holds, counted from before etcd was asked; may be negative."""

    async def keep_alive(self) -> None:
        """Extend to the full time.  Raises LeaseLost, EtcdUnavailable, EtcdRefused."""

    async def revoke(self) -> None:
        """End it and remove its keys now; a lost one is no error.  Raises EtcdUnavailable, EtcdRefused."""


class Store(Protocol):
    """A key-value store with revisions, transactions, leases and watches: etcd, or a stand-in for it."""

    async def get(self, key: str) -> Entry | None:
        """Read one key, linearizable.  Raises EtcdUnavailable, EtcdRefused."""

    async def list(
        self, keys: Keyspace, *, limit: int | None = None, after: str | None = None, revision: int | None = None
    ) -> Listing:
        """Read the keys of a prefix or span as they were at one revision (default: now).

        ``after`` skips all keys up to and including it.  Raises Compacted (the ``revision`` asked for is no
        longer kept), EtcdUnavailable, EtcdRefused.
        """

    async def commit(self, conditions: Sequence[Condition], operations: Sequence[Operation]) -> Committed | Conflict:
        """Do all operations at once if all conditions hold.  Never repeated once it may have been applied.

        Raises OutcomeUnknown (sent, no answer), EtcdUnavailable (surely not applied), LeaseLost (a Put names
        a lease that has ended), TransactionTooLarge, EtcdRefused.
        """

    async def lease(self, ttl: int) -> Lease:
        """Ask for a lease of ``ttl`` seconds.  Raises EtcdUnavailable, EtcdRefused."""

    def watch(self, keys: Keyspace, start_revision: int) -> AsyncGenerator[Batch, None]:
        """Every change of a prefix or span from ``start_revision`` (>= 1) on, each once, in order.

        Ends only by raising: Compacted, EtcdUnavailable, EtcdRefused.  Close it with ``contextlib.aclosing``.
        """
        ...
