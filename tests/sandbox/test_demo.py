"""The demo can be ended at any moment, by anything, and leaves no trace."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bwvisu.sandbox import Sandbox
from tests.support.traces import assert_no_traces


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", ["networks", "services", "all roles serve"])
def test_a_demo_that_is_ended_half_way_leaves_nothing(
    spare: str, tmp_path: Path, moment: str, how: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "bwvisu", "demo", "--name", spare],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    ) as demo:
        assert demo.stdout is not None
        assert any(moment in line for line in demo.stdout)
        number = Sandbox.load(spare).topology.number
        # A terminal tells the whole group, and impatient people press Ctrl-C more than once.
        for _ in range(3):
            os.killpg(demo.pid, how)
        try:
            assert demo.wait(timeout=150) == 130
        finally:
            demo.kill()  # it holds the lock that whoever tidies up after us waits for
    assert_no_traces(number, spare)
    assert not list(tmp_path.iterdir())
    processes = subprocess.run(["ps", "-ewwo", "args="], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in processes
