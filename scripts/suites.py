"""Run a group of test suites, each within its budget, and print what each took.

usage: suites.py test|heavy

What the sandbox cluster and the contract suites need of Debian is installed first.

A group is a sequence of stages.  A stage has lanes that run side by side: suites that mostly wait, for daemons, leases
and clocks, leave the processor to each other.  A lane is a sequence of suites; where there are several, what they
print is kept until each has ended.

The budgets together are 45 minutes: a stage may take its longest lane and what those before it have left over.
A suite that takes longer is told so: it must become quicker, or give something to `make test-heavy`.  How fast a
machine is changes from day to day, so only what is not done after a quarter more is interrupted, takes down what it
started, and counts as failed.  Later stages run even when an earlier one failed; the exit code is 0 only when all
passed.  A suite without tests fails: a missing part is never a success.
"""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from bwvisu.sandbox import packages

ROOT = Path(__file__).resolve().parent.parent
MINUTE = 60
LATE = 1.25  # times its budget that a suite is waited for
INTERRUPT_GRACE = 90  # seconds for fixtures to take down a sandbox cluster


@dataclass(frozen=True, slots=True)
class Suite:
    """One pytest run over ``path``, which is to end within ``budget`` seconds."""

    name: str
    path: str
    budget: int
    options: tuple[str, ...] = ()
    """More arguments for pytest."""


SLOWEST = ("--durations=10", "--durations-min=10")
"""What a suite's time goes to is told, so that its budget can be kept."""
ASIDE = ("tests/contract/api", "tests/contract/nat", "tests/contract/portal")
"""Contract tests that are suites of their own."""
HEAVY = ("--hypothesis-profile=heavy", "--timeout=0")
Lane = tuple[Suite, ...]
Stage = tuple[Lane, ...]
GROUPS: dict[str, tuple[Stage, ...]] = {
    "test": (
        ((Suite("house", "tests/test_house.py", 15),),),
        (
            (
                Suite("unit", "tests/unit", 300),
                Suite("fuzz", "tests/fuzz", 60),
                Suite("chart", "tests/chart", 70),
                Suite("clients", "tests/clients", 330),
            ),
            (Suite("simulation", "tests/simulation", 760),),
        ),
        (
            (
                Suite("contract", "tests/contract", 700, tuple(f"--ignore={path}" for path in ASIDE)),
                Suite("portal", "tests/contract/portal", 450),
            ),
            (Suite("api", "tests/contract/api", 450), Suite("gateways", "tests/gateways", 700)),
            (Suite("nat", "tests/contract/nat", 1150),),
            (Suite("cluster", "tests/cluster", 1150),),
            (Suite("sandbox", "tests/sandbox", 1150),),
        ),
        ((Suite("browser", "tests/browser", 560),),),
    ),
    "heavy": (
        (
            (
                Suite("heavy", "tests/heavy", 90 * MINUTE),
                Suite("sweep", "tests/simulation/test_faults_leader.py", 60 * MINUTE, HEAVY),
                Suite("schemathesis", "tests/clients/test_schemathesis.py", 30 * MINUTE, HEAVY),
                Suite("fuzz", "tests/fuzz", 60 * MINUTE, HEAVY),
                Suite("properties", "tests/unit", 60 * MINUTE, ("-k", "properties", *HEAVY)),
            ),
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Result:
    """How a suite ended; ``seconds`` is wall-clock time."""

    suite: Suite
    verdict: str
    seconds: float

    def line(self) -> str:
        """One row of a table, as wide as `HEADER`."""
        return f"{self.suite.name:<12}{self.suite.budget:>8} s{self.seconds:>10.1f} s   {self.verdict}"


HEADER = f"{'suite':<12}{'budget':>10}{'took':>12}   result"
VERDICTS = {0: "passed", 5: "FAILED: no tests"}  # pytest's exit codes; all others: some test failed or could not run


def run(suite: Suite, seconds: float, said: IO[str] | None = None) -> Result:
    """Run one suite to its end, or to where it is late; ``said``: where its output goes, None: to ours."""
    began = time.monotonic()
    argv = [sys.executable, "-m", "pytest", "--quiet", *SLOWEST, suite.path, *suite.options]
    with subprocess.Popen(argv, cwd=ROOT, stdout=said, stderr=said and subprocess.STDOUT) as process:
        try:
            verdict = VERDICTS.get(process.wait(LATE * seconds), "FAILED")
        except subprocess.TimeoutExpired:
            verdict = "FAILED: over budget"
            interrupt(process)
    took = time.monotonic() - began
    return Result(suite, f"{verdict}{f', late by {took - seconds:.0f} s' if took > seconds else ''}", took)


def run_aside(suite: Suite, seconds: float) -> Result:
    """Run one suite beside others, and print what it said when it has ended."""
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        result = run(suite, seconds, said)
        said.seek(0)
        print(f"\n--- {suite.name} said:\n{said.read()}\n{result.line()}", flush=True)
    return result


Runner = Callable[[Suite, float], Result]


def run_lane(lane: Lane, saved: float, how: Runner = run) -> list[Result]:
    """Run suites one after the other; each may take what those before it have left over, too."""
    results = []
    for suite in lane:
        patience = suite.budget + max(0.0, saved)
        print(f"\n=== {suite.name}: {suite.path}, budget {suite.budget} s", flush=True)
        results.append(how(suite, patience))
        saved += suite.budget - results[-1].seconds
    return results


def run_stage(stage: Stage, saved: float = 0.0) -> list[Result]:
    """Run the lanes of a stage to their ends; ``saved``: seconds that earlier stages have left over."""
    if len(stage) == 1:
        return run_lane(stage[0], saved)
    with ThreadPoolExecutor(len(stage)) as pool:
        lanes = pool.map(partial(run_lane, saved=saved, how=run_aside), stage)
        return [result for lane in lanes for result in lane]


def budget(stage: Stage) -> int:
    """Seconds that a stage may take."""
    return max(sum(suite.budget for suite in lane) for lane in stage)


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """End ``process`` as Ctrl-C would, and by force when it does not."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(INTERRUPT_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


def main(arguments: Sequence[str]) -> int:
    """Run the group named on the command line; the exit code says whether all of it passed."""
    if len(arguments) != 1 or arguments[0] not in GROUPS:
        print(__doc__, file=sys.stderr)
        return 2
    packages.ensure(install=True, say=print)
    results: list[Result] = []
    saved = 0.0
    for stage in GROUPS[arguments[0]]:
        began = time.monotonic()
        results += run_stage(stage, saved)
        saved += budget(stage) - (time.monotonic() - began)
    print("", HEADER, *(result.line() for result in results), sep="\n")
    return 0 if all(result.verdict.startswith("passed") for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
