"""What the original's API says of a job, in the words of ``scontrol show job``."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bwvisu.api.original_models import original_view
from bwvisu.domain.job import JobSpec, JobStatus, SlurmView
from bwvisu.domain.lifecycle import Phase
from bwvisu.services.state import Job

RECORDED = Path("tests/recorded/slurm-22.05")
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SPEC = JobSpec(
    id="01jd0000000000000000000000",
    user="alice",
    application="x",
    cluster="main",
    parameters={},
    bundle="",
    created_at=AT,
)
FULL = SlurmView(
    job_id=4711,
    state="RUNNING",
    reason="None",
    nodes=("node1", "node2"),
    partition="batch",
    submitted_at=AT,
    started_at=AT,
    ends_at=AT,
    time_limit=3600,
)


def details(slurm: SlurmView | None, exit_code: int | None = None) -> dict[str, str]:
    status = JobStatus(phase=Phase.RUNNING, slurm=slurm, exit_code=exit_code)
    return dict(original_view(Job(SPEC, status, 1), None).details)


def test_every_name_is_one_of_slurms() -> None:
    slurms = set(re.findall(r"(?:^|\s)([A-Z]\w+)=", (RECORDED / "scontrol-job-running.txt").read_text()))
    assert set(details(FULL, 3)) <= slurms


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(60, "00:01:00"), (1800, "00:30:00"), (3600, "01:00:00"), (86_399, "23:59:59"), (604_830, "7-00:00:30")],
)
def test_a_time_limit_is_written_as_slurm_does(seconds: int, words: str) -> None:
    assert details(FULL.model_copy(update={"time_limit": seconds}))["TimeLimit"] == words


def test_what_is_not_known_is_left_out() -> None:
    assert details(None) == {}
    assert details(SlurmView(job_id=7, state="PENDING")) == {
        "JobId": "7",
        "UserId": "alice",
        "JobState": "PENDING",
        "Reason": "None",
        "Restarts": "0",
    }
    assert details(FULL, 3)["ExitCode"] == "3:0"
