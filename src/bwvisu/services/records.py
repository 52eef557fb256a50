"""The records of one kind within a mirror that holds several, with their type."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from bwvisu.adapters.etcd import Change, Entry, Mirror

R = TypeVar("R", bound=BaseModel)


class Kind(Generic[R]):
    """What the mirror has of one kind, by full key.  It is told of each change; see `take`."""

    def __init__(self, mirror: Mirror[Any], record: type[R]) -> None:
        self._mirror = mirror
        self._record = record
        self.entries: dict[str, Entry] = {}
        """Everything of this kind as it is stored, readable or not."""
        self.values: dict[str, R] = {}
        """Everything that could be read."""

    @property
    def revision(self) -> int:
        """All changes up to this revision are in."""
        return self._mirror.revision

    @property
    def unreadable(self) -> int:
        """How many of them cannot be read."""
        return len(self.entries) - len(self.values)

    def take(self, change: Change[Any]) -> None:
        """Follow a change of the mirror."""
        self.values.pop(change.key, None)
        if change.entry is None:
            self.entries.pop(change.key, None)
            return
        self.entries[change.key] = change.entry
        if isinstance(change.value, self._record):
            self.values[change.key] = change.value
