"""A part of etcd held in memory: pure.  `Mirror` feeds it; this file says what the feeding does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from bwvisu.adapters.etcd.model import Batch, Entry, Event, Listing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """One key after a change and what it meant before; None where it did not exist or cannot be read.

    ``revision`` is that of the change, or of the listing that showed the key to be gone.
    """

    key: str
    revision: int
    entry: Entry | None
    value: T | None
    previous: T | None


@dataclass(frozen=True, slots=True)
class Changes(Generic[T]):
    """Changes in order; with them the replica stands at ``revision``."""

    revision: int
    changes: tuple[Change[T], ...]
    listed: bool = False
    """They are what a listing has other than we had, in no order of time: what happened in between is not known."""


class Replica(Generic[T]):
    """Entries, their decoded values, and the entries that cannot be decoded, as of ``revision``."""

    def __init__(self, decode: Callable[[Entry], T]) -> None:
        self._decode = decode
        self.entries: dict[str, Entry] = {}
        self.values: dict[str, T] = {}
        self.unreadable: dict[str, str] = {}
        self.revision = 0

    def apply(self, batch: Batch) -> Changes[T]:
        """Take what a watch delivered, except for what is known already."""
        news = [event for event in batch.events if event.revision > self.revision]
        self.revision = max(self.revision, batch.revision)
        return Changes(self.revision, tuple(self._apply(event.key, event.revision, event.entry) for event in news))

    def replace(self, listing: Listing) -> Changes[T]:
        """Become equal to the listing, whatever was known before; tells what that changed."""
        self.revision = listing.revision
        return Changes(self.revision, tuple(self._follow(key, listing) for key in self._unequal(listing)), listed=True)

    def missing(self, listing: Listing) -> dict[str, int]:
        """Keys in which the listing knows more, each with the revision that an event must have to catch up."""
        return {key: self._awaited(key, listing) for key in self._unequal(listing)}

    def confirm(self, listing: Listing) -> None:
        """Note that nothing is missing up to the listing's revision, so that a watch may resume from there."""
        self.revision = max(self.revision, listing.revision)

    def _unequal(self, listing: Listing) -> list[str]:
        gone = [key for key in self.entries if key not in listing.entries]
        return gone + [
            key for key, entry in listing.entries.items() if _version(self.entries.get(key)) != _version(entry)
        ]

    def _awaited(self, key: str, listing: Listing) -> int:
        there = listing.entries.get(key)
        return there.mod_revision if there else self.entries[key].mod_revision + 1

    def _follow(self, key: str, listing: Listing) -> Change[T]:
        entry = listing.entries.get(key)
        return self._apply(key, entry.mod_revision if entry else listing.revision, entry)

    def _apply(self, key: str, revision: int, entry: Entry | None) -> Change[T]:
        previous = self.values.pop(key, None)
        self.unreadable.pop(key, None)
        if entry is None:
            self.entries.pop(key, None)
            return Change(key, revision, None, None, previous)
        self.entries[key] = entry
        try:
            self.values[key] = self._decode(entry)
        except Exception as error:  # noqa: BLE001 - a record is hostile until parsed; a bad one is set aside
            self.unreadable[key] = f"{type(error).__name__}: {error}"
        return Change(key, revision, entry, self.values.get(key), previous)


def caught_up(missing: dict[str, int], events: tuple[Event, ...]) -> dict[str, int]:
    """Strike from ``missing`` what these events delivered."""
    seen = {event.key: event.revision for event in events}
    return {key: revision for key, revision in missing.items() if seen.get(key, 0) < revision}


def _version(entry: Entry | None) -> tuple[int, int]:
    return (entry.create_revision, entry.mod_revision) if entry else (0, 0)
