"""Two thousand worlds, each with its own faults: no promise is broken in any of them.

A failing seed is printed with the command that replays it.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SEEDS = 2000
FEWEST_STEPS = 200


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    argv = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(argv, cwd=root, stdout=subprocess.PIPE, text=True, check=False)


@pytest.mark.timeout(900)
def test_no_seed_breaks_a_promise() -> None:
    done = run(f"0-{SEEDS - 1}")
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    told = re.search(rf"^{SEEDS} seeds, \d+ steps \(at least (\d+) each\)", done.stdout, re.MULTILINE)
    assert told is not None, done.stdout
    assert int(told[1]) >= FEWEST_STEPS


def test_a_seed_is_one_world() -> None:
    """The same number gives the same trace, to the last line."""
    first, second = run("4"), run("4")
    assert first.stdout == second.stdout
    assert "leader-elected" in first.stdout
