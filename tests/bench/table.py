"""What a benchmark reports: rows of a table, and curves of cost against size."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Say = Callable[[str], None]
"""Tells whoever waits what is being done at the moment, with counts."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure is to be: ``at most`` or ``at least`` the limit."""

    sense: Literal["at most", "at least"]
    limit: float

    def met(self, value: float) -> bool:
        """Whether a value is as wanted."""
        return value <= self.limit if self.sense == "at most" else value >= self.limit

    def missed_by(self, value: float) -> float:
        """The factor by which a value misses the limit; 1.0 and less: it does not."""
        worse, better = (value, self.limit) if self.sense == "at most" else (self.limit, value)
        return worse / better if better else float("inf")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, and what it is held against.

    With a ``floor``, the goal is on ``measured / floor``; without one, on ``measured`` itself.
    """

    what: str
    measured: float
    unit: str
    floor: float | None = None
    """In the same unit, from the same run."""
    floor_is: str = ""
    """What the floor was measured on, such as ``bare etcd transaction``."""
    goal: Goal | None = None
    """None: only reported."""

    @property
    def value(self) -> float:
        """What the goal is on."""
        return self.measured / self.floor if self.floor else self.measured

    @property
    def met(self) -> bool | None:
        """Whether the goal is; None where there is none."""
        return self.goal.met(self.value) if self.goal else None


@dataclass(frozen=True, slots=True)
class Curve:
    """Cost against size: at least three points where growth is claimed."""

    title: str
    size: str
    """What x counts, such as ``jobs``."""
    cost: str
    """What y is, with its unit, such as ``pass, ms``."""
    points: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Result:
    """All that one benchmark reports."""

    rows: list[Row]
    curves: list[Curve] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """As ``results.json`` keeps it."""
        return asdict(self)

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Result":
        """What `document` made."""
        rows = [Row(**{**row, "goal": Goal(**row["goal"]) if row["goal"] else None}) for row in document["rows"]]
        curves = [Curve(**{**curve, "points": [(x, y) for x, y in curve["points"]]}) for curve in document["curves"]]
        return cls(rows, curves)


HEADER = ("", "what", "measured", "floor", "ratio", "goal", "")


def cells(key: str, row: Row) -> tuple[str, ...]:
    """A row as texts, one for each column of `HEADER`."""
    goal = f"{'≤' if row.goal.sense == 'at most' else '≥'} {row.goal.limit:g}" if row.goal else ""
    floor = f"{figure(row.floor)} {row.unit} ({row.floor_is})" if row.floor else ""
    verdict = {True: "met", False: "MISSED", None: ""}[row.met]
    return (
        key,
        row.what,
        f"{figure(row.measured)} {row.unit}",
        floor,
        figure(row.value) if row.floor else "",
        goal,
        verdict,
    )


def figure(value: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def render(rows: Iterable[tuple[str, ...]]) -> str:
    """A table for a terminal."""
    table = [HEADER, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADER))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    )
