"""Fault 30, with faults 10 and 27 on top, in full: 500 jobs, twenty leaders, a command node."""

from pathlib import Path

import pytest

from bwvisu.sandbox import Options, Sandbox
from tests.support.storm import weather


@pytest.mark.timeout(2400)
def test_fault_30_five_hundred_jobs_through_twenty_leader_kills_and_a_dead_command_node(
    spare: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Each leader begins to doubt anew, and nobody keeps accounts here: Slurm must remember for longer than all of it.
    with Sandbox.up(Options(name=spare, etcd=3, min_job_age=3600)) as box:
        figures = weather(box, tmp_path, jobs=500, kills=20, patience=1200, ttl=10)
    assert figures.leader_kills == 20
    with capsys.disabled():
        print(f"\n{figures.line()}")
