"""Fault 30, with faults 10 and 27 on top: many jobs at once while leaders and a command node die."""

from pathlib import Path

import pytest

from bwvisu.sandbox import Options, Sandbox
from tests.support.storm import weather


@pytest.mark.timeout(480)
def test_fault_30_sixty_jobs_through_five_leader_kills_and_a_dead_command_node(
    spare: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Sandbox.up(Options(name=spare, etcd=3)) as box:
        figures = weather(box, tmp_path, jobs=60, kills=5, patience=200, ttl=5)
    assert figures.leader_kills == 5
    with capsys.disabled():
        print(f"\n{figures.line()}")
