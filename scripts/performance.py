"""``docs/performance.md``: the benchmarks' methods, in their own words, and what they reported last."""

import re
from collections.abc import Iterator
from types import ModuleType

from tests.bench import record
from tests.bench.__main__ import benchmarks
from tests.bench.record import Record
from tests.bench.table import HEADER, Curve, cells

TEXT = """\
# How fast it is

Written by `make docs` from `tests/bench`: its methods, and the last results of `make bench` in
[results.json](../tests/bench/results.json). Machines differ and are shared; so a figure counts as a ratio against a
floor that was measured in the same run, or as a count. `make bench ONLY=B1` measures one.

{table}

What these figures mean for a large site is in [capacity.md](capacity.md).

{sections}
"""


def render() -> str:
    """The page."""
    known = record.load()
    found = benchmarks()
    rows = [cells(key, row) for key in found if key in known for row in known[key].result.rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in [HEADER, ("---",) * len(HEADER), *rows])
    sections = "\n\n".join(_section(key, module, known.get(key)) for key, module in found.items())
    return TEXT.format(table=table, sections=sections)


def _section(key: str, module: ModuleType, last: Record | None) -> str:
    title, _, method = (module.__doc__ or "").strip().partition("\n")
    parts = [f"## {key}: {title.rstrip('.')}", re.sub(r"``", "`", method.strip())]
    if last is None:
        return "\n\n".join([*parts, "Not measured yet."])
    parts += _curves(last.result.curves)
    return "\n\n".join(
        [*parts, f"Measured at {last.at} of commit `{last.commit}` within {last.seconds:.0f} s: {last.machine}."]
    )


def _curves(curves: list[Curve]) -> Iterator[str]:
    """As Mermaid draws them: linear axes from 0."""
    for curve in curves:
        highest = max(y for _, y in curve.points) or 1
        yield "\n".join([
            "```mermaid",
            "xychart-beta",
            f'    title "{curve.title}"',
            f'    x-axis "{curve.size}" [{", ".join(f"{x:g}" for x, _ in curve.points)}]',
            f'    y-axis "{curve.cost}" 0 --> {1.1 * highest:.3g}',
            f"    line [{', '.join(f'{y:.4g}' for _, y in curve.points)}]",
            "```",
        ])  # fmt: skip
