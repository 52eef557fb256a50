"""``python -m tests.simulation SEED`` replays one seed with its trace; ``FIRST-LAST`` runs many and tells what failed.

Results do not depend on the machine, on how many run at once, or on the order: one seed is one world.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulation.run import Verdict, judge, simulate

BLOCK = 2000
"""Seeds that one set of processes runs."""


def main() -> int:
    """Answers 1 where any seed failed."""
    arguments = _arguments()
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets of names are iterated over: their order is part of a world
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])  # noqa: S606
    first, _, last = arguments.seeds.partition("-")
    if not last:
        return _replay(int(first))
    return _many(range(int(first), int(last) + 1), arguments.jobs, arguments.enough)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seeds", help="one number, or a range such as 0-1999")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at once")
    parser.add_argument("--enough", type=int, default=20, help="so many failures end a run early")
    return parser.parse_args()


def _replay(seed: int) -> int:
    verdict = simulate(seed)
    print("\n".join(verdict.trace))
    print(f"\nseed {seed}: {verdict.steps} steps, {verdict.seconds:.0f} s of its world, {dict(verdict.faults)}")
    print(f"FAILED: {verdict.failure}" if verdict.failure else "all promises were kept")
    return 1 if verdict.failure else 0


def _many(seeds: range, jobs: int, enough: int) -> int:
    began = time.monotonic()
    failures: list[Verdict] = []
    done, steps, fewest, simulated, faults = 0, 0, sys.maxsize, 0.0, Counter[str]()
    for verdict in _verdicts(seeds, jobs):
        done, steps, simulated = done + 1, steps + verdict.steps, simulated + verdict.seconds
        fewest = min(fewest, verdict.steps)
        faults.update(verdict.faults)
        if verdict.failure:
            failures.append(verdict)
            print(f"seed {verdict.seed}: {verdict.failure}", flush=True)
        if done % 500 == 0:
            print(f"{done} of {len(seeds)} seeds, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        if len(failures) >= enough:
            break
    print(
        f"{done} seeds, {steps} steps (at least {fewest} each), "
        f"{simulated / 3600:.1f} h of their worlds, {sum(faults.values())} faults of {len(faults)} kinds, "
        f"{time.monotonic() - began:.0f} s: {len(failures)} failed"
    )
    if failures:
        print(f"replay one: python -m tests.simulation {failures[0].seed}")
    return 1 if failures else 0


def _verdicts(seeds: range, jobs: int) -> Iterator[Verdict]:
    """New processes every now and then, since a world's garbage is kept; by hand, because the pool's own way to do so
    (``max_tasks_per_child``) can stop for ever (cpython #115634; it did, after 10,000 seeds)."""
    for begin in range(0, len(seeds), BLOCK):
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            try:
                yield from pool.map(judge, seeds[begin : begin + BLOCK], chunksize=10)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


if __name__ == "__main__":
    sys.exit(main())
