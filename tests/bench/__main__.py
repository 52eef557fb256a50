"""``python -m tests.bench [B1 …]``: measure, tell how it goes, print the table, and keep it in ``results.json``."""

import argparse
import asyncio
import importlib
import os
import pkgutil
import sys
import time
import traceback
from types import ModuleType

import tests.bench
from bwvisu.sandbox import packages
from tests.bench import record
from tests.bench.table import Result, cells, render


def benchmarks() -> dict[str, ModuleType]:
    """The modules, by their rows' names: ``B1`` and so on, in order."""
    names = sorted(each.name for each in pkgutil.iter_modules(tests.bench.__path__) if each.name[0] == "b")
    return {f"B{int(name[1:3])}": importlib.import_module(f"tests.bench.{name}") for name in names}


def main() -> int:
    """Answers 1 where a benchmark could not be carried out; a missed goal is told, and is no failure."""
    found = benchmarks()
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("only", nargs="*", type=str.upper, metavar="B1", help="all, where none is named")
    only = parser.parse_args().only
    if unknown := set(only) - set(found):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(found)}")
    chosen = {key: module for key, module in found.items() if not only or key in only}
    packages.ensure(install=True, say=print)
    failed, rows = [], []
    for key, module in chosen.items():
        result = _run(key, module)
        if result is None:
            failed.append(key)
        else:
            rows += [cells(key, row) for row in result.rows]
    print("", render(rows), *(f"{key}: could not be measured, see above" for key in failed), sep="\n")
    return 1 if failed else 0


def _run(key: str, module: ModuleType) -> Result | None:
    """Carry one out, and keep what it reports; None where it could not be."""
    title, _, _ = (module.__doc__ or "").partition("\n")
    print(f"\n{key}: {title}", flush=True)
    busy, began = os.getloadavg()[0], time.monotonic()

    def say(text: str) -> None:
        print(f"  {time.monotonic() - began:6.1f} s  {text}", flush=True)

    try:
        result: Result = asyncio.run(module.measure(say))
    except Exception:  # noqa: BLE001 the others are measured all the same
        traceback.print_exc()
        return None
    record.keep(key, result, time.monotonic() - began, busy)
    return result


if __name__ == "__main__":
    sys.exit(main())
