"""The processes of a service on this machine, as tests, the demo and benchmarks start and end them."""

import signal
import subprocess
from pathlib import Path

import pytest

from bwvisu.cli.local import LocalService


def test_a_process_that_does_not_end_in_time_can_still_be_killed(plain_service: LocalService) -> None:
    pid = plain_service.start("keyhole", "stubborn")
    plain_service.signal("stubborn", signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):
        plain_service.wait("stubborn", 0.1)
    plain_service.kill("stubborn")
    assert not Path(f"/proc/{pid}").exists()
