"""What could not be translated, by file."""

from dataclasses import dataclass, field

MOST = 500
"""Notes of one folder."""
LONGEST = 200
"""Characters of the foreign text that are shown."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that somebody must look at."""

    file: str
    line: int | None
    why: str
    text: str = ""
    """The foreign text, cut."""
    number: int | None = None
    """Of the name ``not_translated_<number>`` that stands in its place; None: nothing does."""


@dataclass(slots=True)
class Notes:
    """All of them, in the order in which they were found."""

    found: list[Note] = field(default_factory=list)
    _gaps: int = 0

    def say(self, file: str, why: str, text: str = "", line: int | None = None) -> None:
        """It was left out, or should be looked at."""
        self._add(Note(file, line, why, text.strip()[:LONGEST]))

    def gap(self, file: str, why: str, text: str = "", line: int | None = None) -> str:
        """The name that stands in its place, until somebody fills the gap."""
        self._gaps += 1
        self._add(Note(file, line, why, text.strip()[:LONGEST], self._gaps))
        return f"not_translated_{self._gaps}"

    def _add(self, note: Note) -> None:
        if len(self.found) < MOST:
            self.found.append(note)
