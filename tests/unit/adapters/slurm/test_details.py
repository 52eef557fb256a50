"""How one job ended: recorded scontrol output, and sacct's documented rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwvisu.adapters.slurm import details
from bwvisu.adapters.ssh import Completed
from bwvisu.domain.observation import (
    CouldNotLook,
    Details,
    ExitStatus,
    Final,
    NotStarted,
    ProvenAbsent,
    SlurmState,
    StillThere,
    Unknown,
)
from tests.unit.adapters.slurm.recorded import recorded


def shown(name: str, job_id: int) -> Details | None:
    return details.parse_scontrol(Completed(0, recorded(f"scontrol-job-{name}"), b""), job_id, 1.0)


def accounted(*rows: str, status: int = 0, stderr: bytes = b"") -> Details:
    return details.parse_sacct(Completed(status, "".join(f"{row}\n" for row in rows).encode(), stderr), 7, 1.0)


def test_an_ended_job_is_final() -> None:
    assert shown("timeout", 6) == Final(
        state=SlurmState.TIMEOUT,
        reason="TimeLimit",
        exit_status=ExitStatus(0, 15),
        started_at=1795378843,
        ended_at=1795378930,
        nodes=("node1",),
        user="alice",
        submitted_at=1795378843,
    )


def test_a_job_cancelled_while_it_waited_never_started() -> None:
    final = shown("cancelled", 9)
    assert isinstance(final, Final)
    assert (final.state, final.started_at, final.nodes) == (SlurmState.CANCELLED, None, ())


@pytest.mark.parametrize(("name", "job_id", "state"), [("running", 1, "RUNNING"), ("requeued", 13, "PENDING")])
def test_a_job_that_has_not_ended_is_still_there(name: str, job_id: int, state: str) -> None:
    found = shown(name, job_id)
    assert isinstance(found, StillThere)
    assert (found.state, found.user) == (SlurmState.parse(state), "alice")
    assert found.submitted_at is not None


def test_a_name_that_imitates_scontrols_fields_is_not_believed() -> None:
    """Job 27 runs, and its name says ``JobState=COMPLETED``."""
    assert b"JobState=COMPLETED" in recorded("scontrol-job-forged")
    assert isinstance(shown("forged", 27), CouldNotLook)


def test_another_job_proves_nothing() -> None:
    assert isinstance(shown("timeout", 60), CouldNotLook)


def test_an_id_that_slurmctld_does_not_know_is_left_to_the_accounting() -> None:
    outcome = Completed(1, b"", b"slurm_load_jobs error: Invalid job id specified\n")
    assert details.parse_scontrol(outcome, 7, 1.0) is None


@pytest.mark.parametrize(
    "outcome",
    [
        Completed(1, b"", b"slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"),
        Completed(124, b"", b"Invalid job id specified"),
        Completed(0, b"", b""),
        NotStarted("away"),
        Unknown("lost"),
    ],
)
def test_no_answer_of_scontrol_proves_nothing(outcome: Completed | NotStarted | Unknown) -> None:
    assert isinstance(details.parse_scontrol(outcome, 7, 1.0), CouldNotLook)


@given(st.integers(0, 2000))
def test_a_record_cut_off_anywhere_never_says_more_than_the_whole(length: int) -> None:
    whole = recorded("scontrol-job-timeout").rstrip()
    seen = details.parse_scontrol(Completed(0, whole[:length], b""), 6, 1.0)
    assert isinstance(seen, CouldNotLook | Final)
    assert isinstance(seen, CouldNotLook) or seen.state is SlurmState.TIMEOUT


@given(st.binary())
def test_garbage_proves_nothing(garbage: bytes) -> None:
    assert isinstance(details.parse_scontrol(Completed(0, garbage, b""), 7, 1.0), CouldNotLook)


def test_the_accounting_tells_how_a_job_ended() -> None:
    row = "7|alice|CANCELLED by 20001|0:15|1795378843|1795378844|1795378930|node[1-2]|None"
    assert accounted("Welcome to cmd1", row) == Final(
        state=SlurmState.CANCELLED,
        reason="None",
        exit_status=ExitStatus(0, 15),
        started_at=1795378844,
        ended_at=1795378930,
        nodes=("node1", "node2"),
        user="alice",
        submitted_at=1795378843,
    )


def test_a_job_that_never_ran_has_no_nodes_and_no_start() -> None:
    final = accounted("7|alice|CANCELLED|0:0|1795378843|Unknown|1795378930|None assigned|None")
    assert isinstance(final, Final)
    assert (final.nodes, final.started_at) == ((), None)


def test_a_runaway_row_of_the_accounting_proves_nothing() -> None:
    """slurmctld was asked first and does not know it, so the accounting has missed its end."""
    running = accounted("7|alice|RUNNING|0:0|1795378843|1795378844|Unknown|node1|None")
    assert isinstance(running, CouldNotLook)


def test_only_a_silent_and_successful_answer_proves_absence() -> None:
    assert accounted() == ProvenAbsent()
    assert accounted("70|bob|COMPLETED|0:0|1|1|1|node1|None") == ProvenAbsent()
    assert isinstance(accounted(stderr=b"sacct: error: Connection refused\n"), CouldNotLook)
    assert isinstance(accounted(status=1, stderr=b"Slurm accounting storage is disabled\n"), CouldNotLook)


@pytest.mark.parametrize("row", ["7|alice|COMPLETED", "7||||||||", "7|a|FAILED|x|1|1|1|n|None"])
def test_a_row_that_cannot_be_read_proves_nothing(row: str) -> None:
    assert isinstance(accounted(row), CouldNotLook)


def test_two_rows_prove_nothing() -> None:
    row = "7|alice|COMPLETED|0:0|1|1|1|node1|None"
    assert isinstance(accounted(row, row), CouldNotLook)


@given(st.binary())
def test_garbage_of_sacct_is_never_final(garbage: bytes) -> None:
    assert not isinstance(details.parse_sacct(Completed(0, garbage, b""), 7, 1.0), Final)
