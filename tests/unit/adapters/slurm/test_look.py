"""The look's parser: complete or nothing, and never a row that Slurm did not print."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwvisu.adapters.slurm import look
from bwvisu.domain.observation import CouldNotLook, ExitStatus, Look, Observation, SlurmJob, SlurmState, StateGroup
from tests.unit.adapters.slurm.recorded import LOOKS, MARK, recorded


def read(output: bytes, prefix: str = "bwv", *, sees_all: bool = False) -> Observation:
    return look.parse(output, MARK, prefix, sees_all=sees_all, began_at=10.0, ended_at=11.0)


def rows(name: str, prefix: str = "bwv") -> dict[str, SlurmJob]:
    seen = read(recorded(f"look-{name}"), prefix)
    assert isinstance(seen, Look)
    return {job.name: job for job in seen.rows.values()}


def framed(*printed: str, count: int | None = None, hidden: str = "none", status: int = 0) -> bytes:
    body = "".join(f"{row}|{MARK}\n" for row in printed)
    n = len(printed) if count is None else count
    return f"\n{MARK} BEGIN 1795378843\n{body}{MARK} END rc={status} n={n} hidden={hidden}\n".encode()


def row(
    number: str = "7", user: str = "alice", name: str = "bwv-x", state: str = "RUNNING", nodes: str = "node1"
) -> str:
    return f"{number}|{user}|{state}|0|0|cpu|1795378843|1795378843|1795380643|30:00|{nodes}|None|{name}"


def test_an_empty_cluster_is_a_complete_look() -> None:
    assert read(recorded("look-empty")) == Look({}, 10.0, 11.0, 1795378843)


def test_a_running_job_is_read_whole() -> None:
    assert rows("mixed")["bwv-a1b2c3-01jd0000000000000000000001-1"] == SlurmJob(
        job_id=2,
        name="bwv-a1b2c3-01jd0000000000000000000001-1",
        user="alice",
        state=SlurmState.RUNNING,
        reason="None",
        nodes=("node1", "node2", "node3"),
        partition="cpu",
        submitted_at=1795378843,
        started_at=1795378843,
        expected_start_at=None,
        ends_at=1795382443,
        time_limit=3600,
        restarts=0,
        exit_status=None,
    )


@pytest.mark.parametrize(
    ("look_name", "name", "state", "reason", "exit_status"),
    [
        ("late", "bwv-done", SlurmState.COMPLETED, "None", ExitStatus(0, 0)),
        ("late", "bwv-exit3", SlurmState.FAILED, "NonZeroExitCode", ExitStatus(3, 0)),
        ("late", "bwv-killed", SlurmState.FAILED, "JobLaunchFailure", ExitStatus(0, 9)),
        ("late", "bwv-timeout", SlurmState.TIMEOUT, "TimeLimit", ExitStatus(0, 15)),
        ("late", "bwv-cancelledrunning", SlurmState.CANCELLED, "None", ExitStatus(0, 15)),
        ("completing", "bwv-stubborn", SlurmState.COMPLETING, "None", None),
        ("mixed", "bwv-closed", SlurmState.PENDING, "PartitionDown", None),
        ("mixed", "bwv-held", SlurmState.PENDING, "JobHeldUser", None),
        ("mixed", "bwv-restricted", SlurmState.RUNNING, "None", None),
    ],
)
def test_states_reasons_and_exits(
    look_name: str, name: str, state: SlurmState, reason: str, exit_status: ExitStatus | None
) -> None:
    job = rows(look_name)[name]
    assert (job.state, job.reason, job.exit_status) == (state, reason, exit_status)


def test_a_pending_job_has_an_expected_start_and_no_other_times() -> None:
    job = rows("mixed")["bwv-later"]
    assert (job.expected_start_at, job.started_at, job.ends_at, job.nodes) == (1795386043, None, None, ())
    assert job.time_limit == 2 * 86400


def test_a_job_cancelled_while_it_waited_never_started() -> None:
    job = rows("mixed")["bwv-cancelledpending"]
    assert (job.state, job.started_at, job.ends_at) == (SlurmState.CANCELLED, None, 1795378847)


def test_a_requeued_job_counts_its_restart() -> None:
    job = rows("mixed")["bwv-requeued"]
    assert (job.state, job.restarts, job.nodes) == (SlurmState.PENDING, 1, ())


def test_no_time_limit_is_none() -> None:
    assert rows("mixed")["bwv-closed"].time_limit is None


def test_every_member_of_arrays_and_heterogeneous_jobs_has_an_id_of_its_own() -> None:
    seen = read(recorded("look-mixed"))
    assert isinstance(seen, Look)
    assert len(seen.named("bwv-array")) == 4
    assert len(seen.named("bwv-het")) == 2


def test_a_name_that_imitates_a_row_makes_none() -> None:
    """Job 14's name holds a newline and a whole row that says that job 1 of alice has completed."""
    forged = recorded("look-mixed")
    assert b"\n1|alice|COMPLETED|" in forged
    assert rows("mixed")["bwv-a1b2c3-01jd0000000000000000000000-1"].state is SlurmState.RUNNING


@given(st.text(st.characters(codec="utf-8")))
def test_no_name_makes_a_job_of_another_id_or_user(name: str) -> None:
    seen = read(framed(row(), row("8", "mallory", name)))
    assert isinstance(seen, Look)
    assert seen.rows[7].user == "alice"
    assert set(seen.rows) == ({7, 8} if name.startswith("bwv") else {7})
    assert all(job.user == "mallory" for number, job in seen.rows.items() if number == 8)


def test_other_installations_and_foreign_jobs_are_kept_or_left_by_prefix() -> None:
    assert set(rows("mixed", "bwv-a1b2c3-")) == {
        "bwv-a1b2c3-01jd0000000000000000000000-1",
        "bwv-a1b2c3-01jd0000000000000000000001-1",
    }


def test_a_shell_that_chatters_at_login_does_no_harm() -> None:
    assert read(b"Welcome!\nno newline" + recorded("look-empty")) == read(recorded("look-empty"))


@pytest.mark.parametrize("name", LOOKS)
def test_cut_off_anywhere_it_proves_nothing(name: str) -> None:
    whole = recorded(f"look-{name}")
    cuts = [read(whole[:length], sees_all=True) for length in range(len(whole))]
    assert all(isinstance(seen, CouldNotLook) for seen in cuts)


@given(st.data())
def test_a_missing_piece_in_the_middle_never_drops_a_job_silently(data: st.DataObject) -> None:
    whole = recorded("look-mixed")
    begin = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(begin + 1, len(whole)))
    lost_rows = f"|{MARK}\n".encode() in whole[begin:end]
    seen = read(whole[:begin] + whole[end:])
    assert isinstance(seen, CouldNotLook) or not lost_rows


@given(st.binary())
def test_garbage_proves_nothing(garbage: bytes) -> None:
    assert isinstance(read(garbage), CouldNotLook)


@given(st.text())
def test_garbage_between_the_lines_is_never_a_partial_look(garbage: str) -> None:
    seen = read(f"\n{MARK} BEGIN 1\n{garbage}\n{MARK} END rc=0 n=1 hidden=none\n".encode(errors="replace"))
    assert isinstance(seen, CouldNotLook)


@pytest.mark.parametrize(
    "output",
    [
        recorded("look-hanging"),
        framed(row(), status=1),
        framed(row(), count=2),
        framed(row(), count=0),
        framed(row(), hidden=""),
        framed(row(), row()),
        framed(row(number="7_[1-3]")),
        framed(row(number="0")),
        framed(row(user="")),
        framed(row(nodes="node[1-99999999]")),
        framed(row(nodes="node[1-")),
        framed("7|alice|bwv-x"),
        framed() + b"Connection to host closed.\n",
        framed() + framed(row()),
    ],
)
def test_what_does_not_agree_proves_nothing(output: bytes) -> None:
    assert isinstance(read(output), CouldNotLook)


def test_hidden_jobs_make_a_look_incomplete_unless_we_see_all() -> None:
    assert isinstance(read(recorded("look-private")), CouldNotLook)
    assert isinstance(read(recorded("look-private"), sees_all=True), Look)


def test_a_state_of_another_version_is_a_job_of_unknown_state() -> None:
    seen = read(framed(row(state="EXPEDITING")))
    assert isinstance(seen, Look)
    assert seen.rows[7].state.group is StateGroup.UNRECOGNISED


def fake_programs(folder: Path, squeue: str, scontrol: str) -> dict[str, str]:
    for name, text in (("squeue", squeue), ("scontrol", scontrol)):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin", "SQUEUE_STATES": "RUNNING", "SLURM_CLUSTERS": "other"}


def run_script(environment: dict[str, str]) -> bytes:
    command = look.command(MARK, 20, None)
    assert not any(MARK in argument for argument in command.argv), "ps must not show the mark"
    done = subprocess.run(command.argv, input=command.stdin, env=environment, capture_output=True, check=True)
    return done.stdout


def test_the_remote_text_prints_what_the_parser_reads(tmp_path: Path) -> None:
    rows = f"printf '%s|%s\\n' '{row()}' {MARK} '{row('8', name='x')}' {MARK}"
    printed = run_script(fake_programs(tmp_path, rows, "echo 'PrivateData             = none'"))
    seen = read(printed)
    assert isinstance(seen, Look)
    assert set(seen.rows) == {7}
    assert b"n=2 " in printed


def test_the_remote_text_tells_squeue_what_the_site_and_the_account_may_have_changed(tmp_path: Path) -> None:
    tell = 'echo "$*/$SLURM_TIME_FORMAT/${SQUEUE_STATES-unset}/${SLURM_CLUSTERS-unset}/$SQUEUE_FORMAT2"'
    printed = run_script(fake_programs(tmp_path, tell, "true")).decode()
    assert f"--noheader --all --local --states=all/%s/unset/unset/{':0|,'.join(look.FIELDS)}:0|{MARK}\n" in printed


def test_a_failing_squeue_or_scontrol_is_told(tmp_path: Path) -> None:
    failed = run_script(fake_programs(tmp_path, f"printf '%s|{MARK}\\n' '{row()}'; exit 1", "echo PrivateData = none"))
    mute = run_script(fake_programs(tmp_path, f"printf '%s|{MARK}\\n' '{row()}'", "exit 1"))
    assert isinstance(read(failed), CouldNotLook)
    assert isinstance(read(mute), CouldNotLook)
