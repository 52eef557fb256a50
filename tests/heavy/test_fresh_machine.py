"""A clone of the last commit works on a Debian 12 that has nothing but git and make."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "fresh-machine"
ROOTS = Path("/var/tmp")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("command", ["make demo ONCE=1", "make check", "make test"])
def test_one_command_is_enough(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    before = set(ROOTS.glob("bwv-fresh-*"))
    with capfd.disabled():
        done = subprocess.run([SCRIPT, *command.split()], check=False)
    assert done.returncode == 0
    assert set(ROOTS.glob("bwv-fresh-*")) <= before, "the machine was not removed"
