"""Run a group of test suites one after another, each within its budget, and print what each took.

usage: suites.py test|heavy|bench

What the sandbox cluster and the contract suites need of Debian is installed first.

The budgets together are the deadline: a suite may take its own and what those before it have left over.  One that is
not done by then is interrupted, so that it can take down what it started, and counts as failed.  Later suites run even
when an earlier one failed; the exit code is 0 only when all passed.  A suite without tests fails: a missing part is
never a success.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bwvisu.sandbox import packages

ROOT = Path(__file__).resolve().parent.parent
MINUTE = 60
INTERRUPT_GRACE = 90  # seconds for fixtures to take down a sandbox cluster


@dataclass(frozen=True, slots=True)
class Suite:
    """One pytest run over ``path``, which is to end within ``budget`` seconds."""

    name: str
    path: str
    budget: int
    options: tuple[str, ...] = ()
    """More arguments for pytest."""


HEAVY = ("--hypothesis-profile=heavy", "--timeout=0")
GROUPS: dict[str, tuple[Suite, ...]] = {
    "test": (
        Suite("house", "tests/test_house.py", 15),
        Suite("unit", "tests/unit", 140),
        Suite("fuzz", "tests/fuzz", 50),
        Suite("simulation", "tests/simulation", 9 * MINUTE),
        Suite("contract", "tests/contract", 13 * MINUTE),
        Suite("clients", "tests/clients", 105),
        Suite("cluster", "tests/cluster", 880),
        Suite("browser", "tests/browser", 190, ("-m", "not heavy")),
    ),
    "heavy": (
        Suite("heavy", "tests/heavy", 90 * MINUTE),
        Suite("applications", "tests/browser", 10 * MINUTE, ("-m", "heavy", *HEAVY)),
        Suite("sweep", "tests/simulation/test_faults_leader.py", 60 * MINUTE, HEAVY),
        Suite("schemathesis", "tests/clients/test_schemathesis.py", 30 * MINUTE, HEAVY),
        Suite("fuzz", "tests/fuzz", 60 * MINUTE, HEAVY),
        Suite("properties", "tests/unit", 60 * MINUTE, ("-k", "properties", *HEAVY)),
    ),
    "bench": (Suite("bench", "tests/bench", 30 * MINUTE),),
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


def run(suite: Suite, saved: float = 0.0) -> Result:
    """Run one suite to its end or its deadline; ``saved``: seconds that earlier ones have left over."""
    print(f"\n=== {suite.name}: {suite.path}, budget {suite.budget} s", flush=True)
    began = time.monotonic()
    with subprocess.Popen([sys.executable, "-m", "pytest", "--quiet", suite.path, *suite.options], cwd=ROOT) as process:
        try:
            verdict = VERDICTS.get(process.wait(suite.budget + max(0.0, saved)), "FAILED")
        except subprocess.TimeoutExpired:
            verdict = "FAILED: over budget"
            interrupt(process)
    return Result(suite, verdict, time.monotonic() - began)


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
    for suite in GROUPS[arguments[0]]:
        results.append(run(suite, sum(done.suite.budget - done.seconds for done in results)))
    print("", HEADER, *(result.line() for result in results), sep="\n")
    return 0 if all(result.verdict == "passed" for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
