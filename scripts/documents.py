"""Write the documents that are drawn from the code, or tell which of them are stale.

usage: documents.py [--check]
"""

import json
import sys
from collections.abc import Callable, Sequence

from bwvisu.api import document as openapi
from bwvisu.domain.audit import AuditLine
from bwvisu.domain.lifecycle import STATES, TRANSITIONS, Phase
from bwvisu.settings import document as settings
from scripts import chart, commands, dashboard, faults, metrics, performance

ROOT = faults.ROOT

LIFECYCLE = """\
# The life of a job

Drawn from `src/bwvisu/domain/lifecycle.py` by `make docs`; what is not in the picture is impossible and raises.
The leader keeps the phase; users see the state beside it.

```mermaid
stateDiagram-v2
    [*] --> {first}
{arrows}
    {last} --> [*]
```

| phase | users see |
| --- | --- |
{rows}
"""


def lifecycle() -> str:
    """The state machine as a picture and a table."""
    arrows = [f"    {phase} --> {then}: {event}" for (phase, event), then in TRANSITIONS.items()]
    rows = [f"| `{phase}` | `{STATES[phase]}` |" for phase in Phase]
    return LIFECYCLE.format(first=Phase.NEW, last=Phase.FINISHED, arrows="\n".join(arrows), rows="\n".join(rows))


def audit() -> str:
    """JSON Schema (2020-12) of a line of the audit trail."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(dialect | AuditLine.model_json_schema(), indent=2) + "\n"


DOCUMENTS: dict[str, Callable[[], str]] = {
    "charts/bwvisu/README.md": chart.readme,
    "charts/bwvisu/files/dashboard.json": dashboard.render,
    "docs/audit.schema.json": audit,
    "docs/commands.md": commands.render,
    "docs/lifecycle.md": lifecycle,
    "docs/metrics.md": metrics.render,
    "docs/openapi.json": openapi.render,
    "docs/performance.md": performance.render,
    "docs/reliability.md": faults.render,
    "docs/settings.md": settings.render,
}


def is_stale(name: str) -> bool:
    """Whether the document on disk differs from what the code says, or is not there."""
    path = ROOT / name
    return not path.is_file() or path.read_text() != DOCUMENTS[name]()


def main(arguments: Sequence[str]) -> int:
    """Write all documents, or with ``--check`` name the stale ones and end with 1."""
    stale = [name for name in DOCUMENTS if is_stale(name)]
    if "--check" in arguments:
        for name in stale:
            print(f"stale: {name}; run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (ROOT / name).write_text(DOCUMENTS[name]())
        print(f"written: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
