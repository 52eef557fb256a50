"""scancel, getent and `scontrol show config`: the argv and the answers, as measured."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwvisu.adapters.slurm import account, cancel, config
from bwvisu.adapters.ssh import Completed, Outcome
from bwvisu.domain.observation import (
    Account,
    Cancelled,
    CancelResult,
    CouldNotLook,
    NoSuchUser,
    NothingToCancel,
    NotStarted,
    Refused,
    SlurmConfig,
    Unknown,
    UserResult,
)
from tests.unit.adapters.slurm.recorded import recorded


def cancelled(status: int, stderr: str) -> CancelResult:
    return cancel.parse(Completed(status, b"", stderr.encode()), 316)


def test_scancel_is_told_id_name_and_owner() -> None:
    argv = cancel.command(316, "alice", "bwv-x", 10).argv
    assert argv == ("sudo", "-n", "-u", "alice", "scancel", "--verbose", "--user=alice", "--name=bwv-x", "316")


@pytest.mark.parametrize(
    ("status", "stderr", "expected"),
    [
        (0, "scancel: select/linear loaded\nscancel: Terminating job 316\n", Cancelled()),
        (
            0,
            "scancel: error: No active jobs match ALL job filters, including: job_name=x user_name=a \n",
            NothingToCancel(),
        ),
        (1, "scancel: error: Kill job error on job id 316: Invalid job id specified\n", NothingToCancel()),
    ],
)
def test_scancel_tells_in_words_what_it_did(status: int, stderr: str, expected: CancelResult) -> None:
    assert cancelled(status, stderr) == expected


@pytest.mark.parametrize(
    ("status", "stderr"),
    [
        (210, "scancel: error: Kill job error on job id 316: Access/permission denied\n"),
        (1, "sudo: unknown user nosuch\n"),
        (1, "sudo: a password is required\n"),
    ],
)
def test_a_permission_that_lacks_is_a_refusal(status: int, stderr: str) -> None:
    assert isinstance(cancelled(status, stderr), Refused)


@pytest.mark.parametrize(
    ("status", "stderr"),
    [
        (0, ""),
        (0, "scancel: Terminating job 3160\n"),
        (1, "scancel: error: Kill job error on job id 3160: Invalid job id specified\n"),
        (1, "slurm_load_jobs error: Socket timed out on send/recv operation\n"),
        (8, "scancel: error: Kill job error on job id 316: Unable to contact slurm controller (connect failure)\n"),
        (124, ""),
    ],
)
def test_everything_else_is_unknown(status: int, stderr: str) -> None:
    assert isinstance(cancelled(status, stderr), Unknown)


def looked_up(passwd: str, status: int = 0, groups: str = "alice bwvisu-users") -> UserResult:
    entry = f"{passwd}\n" if passwd else ""
    printed = f"hi\n\nbwvisu-account\n{entry}bwvisu-passwd rc={status}\n{groups}\nbwvisu-groups\n"
    return account.parse(Completed(0, printed.encode(), b""), "alice", 1.0)


def test_an_account_is_read() -> None:
    seen = looked_up("alice:x:20001:20001:Alice,,,:/home/alice:/bin/bash")
    assert seen == Account("alice", 20001, 20001, "/home/alice", ("alice", "bwvisu-users"))


def test_only_getents_not_found_is_absence() -> None:
    assert looked_up("", 2) == NoSuchUser("alice")
    assert isinstance(looked_up("", 1), CouldNotLook)
    assert isinstance(looked_up("", 124), CouldNotLook)


def test_a_name_that_is_looked_up_as_a_number_is_nobody() -> None:
    assert looked_up("root:x:0:0:root:/root:/bin/bash") == NoSuchUser("alice")


@pytest.mark.parametrize("entry", ["alice:x:1", "alice:x:a:1::/h:/s", "alice:x:1:1::home:/s", "alice:x:²:1::/h:/s"])
def test_an_entry_that_cannot_be_read_proves_nothing(entry: str) -> None:
    assert isinstance(looked_up(entry), CouldNotLook)


def real_lookup(name: str) -> UserResult:
    done = subprocess.run(account.command(name, 5).argv, capture_output=True, check=True)
    return account.parse(Completed(0, done.stdout, done.stderr), name, 1.0)


def test_the_real_name_service_is_understood() -> None:
    root = real_lookup("root")
    assert isinstance(root, Account)
    assert (root.uid, root.gid, root.home, root.groups[0]) == (0, 0, "/root", "root")


@pytest.mark.parametrize("name", ["bwvt-nobody-here", "--help", "-s", "0", "$(id)", "a b", "'"])
def test_the_real_name_service_knows_no_such_name(name: str) -> None:
    assert real_lookup(name) == NoSuchUser(name)


@given(st.binary())
def test_garbage_is_no_account(garbage: bytes) -> None:
    assert isinstance(account.parse(Completed(0, garbage, b""), "alice", 1.0), CouldNotLook)


def test_the_configuration_is_read() -> None:
    seen = config.parse(Completed(0, recorded("scontrol-config"), b""), 1.0)
    assert seen == SlurmConfig("rec", "22.05.8", 300, (), accounting=False)


def test_what_the_site_hides_and_accounts_is_read() -> None:
    text = recorded("scontrol-config").replace(b"= none\n", b"= jobs,usage\n")
    text = text.replace(b"accounting_storage/none", b"accounting_storage/slurmdbd")
    seen = config.parse(Completed(0, text, b""), 1.0)
    assert isinstance(seen, SlurmConfig)
    assert (seen.private_data, seen.accounting) == (("jobs", "usage"), True)


@pytest.mark.parametrize("outcome", [Completed(1, b"", b""), Completed(0, b"", b""), NotStarted("x"), Unknown("x")])
def test_no_configuration_is_could_not_look(outcome: Outcome) -> None:
    assert isinstance(config.parse(outcome, 1.0), CouldNotLook)
    assert isinstance(account.parse(outcome, "alice", 1.0), CouldNotLook)
