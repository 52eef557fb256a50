"""Whatever Slurm, sudo or a broken connection prints: no parser raises, nothing is believed without its proof."""

from hypothesis import example, given
from hypothesis import strategies as st

from bwvisu.adapters.slurm import account, cancel, config, details, look, partitions
from bwvisu.adapters.slurm import submission as submitting
from bwvisu.adapters.ssh import Completed
from bwvisu.domain.observation import (
    Account,
    Cancelled,
    CouldNotLook,
    Final,
    Look,
    NoSuchUser,
    NothingToCancel,
    NotStarted,
    ProvenAbsent,
    Refused,
    SlurmConfig,
    StillThere,
    Submitted,
    Unknown,
)
from tests.fuzz.mutation import mutated
from tests.support.effort import effort
from tests.unit.adapters.slurm.recorded import FOLDER, LOOKS, MARK, recorded

DIGEST = submitting.digest(b"#!/bin/sh\n")
SCONTROL = {27: "forged", 9: "cancelled", 13: "requeued", 1: "running", 6: "timeout"}
ROW = b"7|alice|COMPLETED|0:0|1795378843|1795378844|1795378930|node[1-2]|None\n"
PASSWD = (
    b"hi\n\nbwvisu-account\nalice:x:20001:20001::/home/alice:/bin/sh\nbwvisu-passwd rc=0\nalice users\nbwvisu-groups\n"
)
SCANCEL = (
    b"scancel: Terminating job 316\n",
    b"scancel: error: No active jobs match ALL job filters, including: job_name=x user_name=a \n",
    b"scancel: error: Kill job error on job id 316: Invalid job id specified\n",
)
SBATCH = tuple(
    f"hello\nREADY {DIGEST}\n{said}\nEND {DIGEST} rc={status}\n".encode()
    for said, status in (("4711", 0), ("4711;main", 0), ("", 1), ("", 124), ("", 255))
)
STDERR = (
    b"",
    b"sbatch: error: Batch job submission failed: Invalid partition name specified\n",
    b"sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n",
    b"sudo: unknown user nosuch\n",
    b"slurm_load_jobs error: Invalid job id specified\n",
)
stati = st.sampled_from((0, 1, 2, 124, 125, 127, 137, 210, 255))
marks = (MARK.encode(), f"|{MARK}\n".encode(), f"\n{MARK} END rc=0 n=1 hidden=none\n".encode())


@effort(4)
@given(mutated([recorded(f"look-{name}") for name in LOOKS], marks), st.sampled_from(("bwv", "bwv-a1b2c3-", "")))
def test_fault_05_a_look_is_complete_by_its_own_two_lines_or_none(output: bytes, prefix: str) -> None:
    seen = look.parse(output, MARK, prefix, sees_all=True, began_at=1.0, ended_at=2.0)
    assert isinstance(seen, Look | CouldNotLook)
    if isinstance(seen, Look):
        text = output.decode(errors="replace")
        told = text.rpartition(f"{MARK} END rc=0 n=")[2].partition(" ")[0]
        assert text.endswith("\n")
        assert text.count(f"|{MARK}\n") >= int(told) >= len(seen.rows)
        assert all(f"{job.job_id}|{job.user}|" in text and job.name.startswith(prefix) for job in seen.rows.values())


@effort(2)
@given(st.sampled_from(sorted(SCONTROL)).flatmap(lambda id_: st.tuples(st.just(id_), _scontrol(id_))), stati)
def test_one_job_is_told_of_by_its_whole_record_or_not_at_all(shown: tuple[int, bytes], status: int) -> None:
    job_id, output = shown
    found = details.parse_scontrol(Completed(status, output, b""), job_id, 1.0)
    assert isinstance(found, Final | StillThere | CouldNotLook)
    if not isinstance(found, CouldNotLook):
        assert status == 0
        assert f"JobId={job_id} ".encode() in output
        assert output.endswith(b"\n")


def _scontrol(job_id: int) -> st.SearchStrategy[bytes]:
    return mutated(
        [recorded(f"scontrol-job-{SCONTROL[job_id]}")], (b" JobState=COMPLETED", b"JobId=1 ", b"ExitCode=0:0")
    )


@effort(2)
@example(b"7|a| |0:0|1|1|1|n|None\n", b"", 0)
@example(ROW[:-1], b"", 0)
@given(mutated([ROW, ROW * 2, b""], (b"CANCELLED by 7", b"None assigned")), st.sampled_from(STDERR), stati)
def test_the_accounting_is_believed_where_it_succeeded_to_the_last_line(
    stdout: bytes, stderr: bytes, status: int
) -> None:
    found = details.parse_sacct(Completed(status, stdout, stderr), 7, 1.0)
    assert isinstance(found, Final | ProvenAbsent | CouldNotLook)
    if not isinstance(found, CouldNotLook):
        assert status == 0
        assert stdout == b"" or stdout.endswith(b"\n")
    if isinstance(found, ProvenAbsent):
        assert not stderr.strip()


@effort(3)
@example(f"READY {DIGEST}\n4\nEND {DIGEST} rc={'9' * 5000}\n".encode(), b"", 0)
@example(f"READY {DIGEST}\n4\nEND {DIGEST} rc=٠\n".encode(), b"", 0)
@given(
    mutated(SBATCH, (DIGEST.encode(), f"\nEND {DIGEST} rc=0\n".encode(), f"READY {DIGEST}\n".encode())),
    mutated(STDERR),
    stati,
)
def test_fault_36_a_submission_is_told_by_its_closing_line(stdout: bytes, stderr: bytes, status: int) -> None:
    told = submitting.parse(Completed(status, stdout, stderr), DIGEST)
    assert isinstance(told, Submitted | Refused | NotStarted | Unknown)
    if isinstance(told, Submitted):
        said = stdout.decode(errors="replace").rpartition(f"READY {DIGEST}\n")[2]
        number, _, end = said.partition("\nEND ")
        assert end == f"{DIGEST} rc=0\n"
        assert number.strip().partition(";")[0] == str(told.slurm_job_id).zfill(len(number.strip().partition(";")[0]))
    elif not isinstance(told, Unknown):
        assert stdout.endswith(b"\n"), "a no needs its closing line as well"


@effort(2)
@example(PASSWD.replace(b"x:20001", b"x:" + b"9" * 5000), 0)
@given(mutated([PASSWD], (b"\nbwvisu-account\n", b"bwvisu-passwd rc=2\n", b"\nbwvisu-groups\n")), stati)
def test_an_account_is_told_whole_or_not_at_all(stdout: bytes, status: int) -> None:
    told = account.parse(Completed(status, stdout, b""), "alice", 1.0)
    assert isinstance(told, Account | NoSuchUser | CouldNotLook)
    if not isinstance(told, CouldNotLook):
        assert stdout.endswith(b"\nbwvisu-groups\n")
    if isinstance(told, Account):
        assert told.name == "alice"
        assert told.home.startswith("/")


@effort(2)
@given(mutated(SCANCEL, (b"3160", b"\nscancel: Terminating job 316\n")), stati)
def test_a_cancellation_is_told_in_scancels_own_words(stderr: bytes, status: int) -> None:
    told = cancel.parse(Completed(status, b"", stderr), 316)
    assert isinstance(told, Cancelled | NothingToCancel | Refused | Unknown)
    if isinstance(told, Cancelled):
        assert (status, b"Terminating job 316\n" in stderr + b"\n") == (0, True)


@effort()
@given(mutated([(FOLDER / "scontrol-config.txt").read_bytes()]), stati)
def test_a_configuration_is_read_or_not(stdout: bytes, status: int) -> None:
    told = config.parse(Completed(status, stdout, b""), 1.0)
    assert isinstance(told, SlurmConfig | CouldNotLook)
    assert status == 0 or isinstance(told, CouldNotLook)


@effort()
@given(
    mutated(
        [recorded("scontrol-partitions"), recorded("scontrol-partitions-changed")],
        (b" State=UP", b"PartitionName=gpu ", b"\n"),
    ),
    stati,
)
def test_partitions_are_read_whole_or_not(stdout: bytes, status: int) -> None:
    told = partitions.parse(Completed(status, stdout, b""), 1.0)
    if isinstance(told, CouldNotLook):
        return
    assert status == 0
    assert len(told) <= stdout.count(b"PartitionName=")
    assert len({each.name for each in told}) == len(told)
    assert all(each.name and not set(each.name) & set(" ,=\n") and each.state.islower() for each in told)
