"""``results.json``: what each benchmark reported last, of which commit, on which machine."""

import json
import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.table import Result

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True, slots=True)
class Record:
    """One benchmark's last run."""

    result: Result
    commit: str
    at: str
    """UTC, RFC 3339."""
    seconds: float
    load: float
    """The machine's load average before: above 0.5 per core others were at work."""
    machine: str


def machine() -> str:
    """Processor, cores, memory, kernel."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"Linux {platform.release()}, Python {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, {system}"


def commit() -> str:
    """The commit that is measured; with ``+`` where files differ from it."""
    return subprocess.run(
        ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


def load() -> dict[str, Record]:
    """By the benchmark's key; empty before the first run."""
    if not RESULTS.exists():
        return {}
    found: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text())
    return {key: Record(**{**each, "result": Result.of(each["result"])}) for key, each in found.items()}


def keep(key: str, result: Result, seconds: float, busy: float) -> None:
    """Replace what is known of one benchmark."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    at = datetime.now(UTC).isoformat(timespec="seconds")
    known[key] = {
        "commit": commit(),
        "at": at,
        "seconds": round(seconds, 1),
        "load": round(busy, 2),
        "machine": machine(),
    }
    known[key]["result"] = result.document()
    RESULTS.write_text(json.dumps(dict(sorted(known.items(), key=lambda item: int(item[0][1:]))), indent=1) + "\n")
