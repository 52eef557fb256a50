"""One thing that is wrong with a bundle."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """The bundle does not work, or is not safe."""
    WARNING = "warning"
    """Somebody should look at it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and where."""

    level: Level
    rule: str
    """A stable word for programs, or shellcheck's code."""
    file: str
    message: str
    line: int | None = None
    """Of the file, from 1; None: it concerns the whole, or the line is not known."""

    @property
    def where(self) -> str:
        """The file, with the line where it is known."""
        return self.file if self.line is None else f"{self.file}:{self.line}"


def error(rule: str, file: str, message: str, line: int | None = None) -> Finding:
    """The bundle does not work."""
    return Finding(Level.ERROR, rule, file, message, line)


def warning(rule: str, file: str, message: str, line: int | None = None) -> Finding:
    """Somebody should look at it."""
    return Finding(Level.WARNING, rule, file, message, line)
