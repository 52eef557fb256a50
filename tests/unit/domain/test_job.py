"""Specs and statuses as records: what a reader sees, and what survives a rewrite by an older version."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from bwvisu.domain.job import JobStatus, Moment, SlurmView
from bwvisu.domain.lifecycle import Phase, State
from tests.unit.planning.build import NOW, known, spec


def test_a_job_without_a_status_is_accepted() -> None:
    assert (JobStatus().state, JobStatus().attempt, JobStatus().finished_at) == (State.ACCEPTED, 0, None)


def test_when_a_job_ended_is_its_last_moment() -> None:
    moments = (Moment(state=State.RUNNING, at=NOW), Moment(state=State.FINISHED, at=NOW + timedelta(seconds=9)))
    over = JobStatus(phase=Phase.FINISHED, timeline=moments)
    assert over.finished_at == NOW + timedelta(seconds=9)
    assert over.model_copy(update={"phase": Phase.ENDING}).finished_at is None


def test_only_a_stopped_job_is_stopped() -> None:
    assert [spec(stopped=stopped).stopped for stopped in (False, True)] == [False, True]


def test_a_record_does_not_change_under_its_readers() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(known(Phase.RUNNING), "phase", Phase.READY)  # noqa: B010


def test_fields_of_a_newer_version_survive_a_change_by_this_one() -> None:
    newer = JobStatus.model_validate_json('{"phase": "queued", "slurm": {"job_id": 7, "state": "PENDING", "hue": 1}}')
    moved = newer.model_copy(update={"phase": Phase.RUNNING})
    assert '"hue":1' in moved.model_dump_json()


def test_a_status_is_read_back_as_it_was() -> None:
    status = known(Phase.RUNNING, expected_start_at=NOW, ends_at=NOW)
    assert JobStatus.model_validate_json(status.model_dump_json()) == status
    assert isinstance(status.slurm, SlurmView)
