"""Another time limit: the text under a real shell with Slurm's words as measured (22.05), and what its answers mean."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwvisu.adapters.slurm import extend
from bwvisu.adapters.ssh import Completed, Outcome
from bwvisu.domain.observation import ExtendResult, NotStarted, Refused, TimeSet, Unknown

NAME = "bwv-abc123-01jd0000000000000000000000-1"
PROGRAMS = {
    "sudo": 'echo "sudo $*" >> "$CALLS"; shift 3; exec "$@"',
    "squeue": 'echo "squeue $*" >> "$CALLS"; cat "$SHOWN"; [ -z "$FAILS" ] || { echo "$FAILS" >&2; exit 1; }',
    "scontrol": 'echo "scontrol $*" >> "$CALLS"; [ -z "$SAYS" ] || { echo "$SAYS" >&2; exit 1; }; echo chatter',
}


class Node:
    """A command node whose Slurm shows and says what a test wants; it writes down what was called."""

    def __init__(self, folder: Path) -> None:
        self.calls, self._shown, self._bin = folder / "calls", folder / "shown", folder / "bin"
        self._bin.mkdir()
        for name, text in PROGRAMS.items():
            (self._bin / name).write_text(f"#!/bin/sh\n{text}\n")
            (self._bin / name).chmod(0o755)

    def extend(
        self, shown: str, *, says: str = "", fails: str = "", run_as: str | None = "slurm", look_as: str | None = None
    ) -> ExtendResult:
        self.calls.write_text("")
        self._shown.write_text(shown)
        path = f"{self._bin}:{os.environ['PATH']}"
        environment = {"PATH": path, "CALLS": str(self.calls), "SHOWN": str(self._shown), "SAYS": says, "FAILS": fails}
        told = extend.command(7, "alice", NAME, 120, 5, run_as=run_as, look_as=look_as)
        done = subprocess.run(told.argv, env=environment, capture_output=True, check=False)
        return extend.parse(Completed(done.returncode, done.stdout, done.stderr))

    @property
    def updates(self) -> list[str]:
        return [line for line in self.calls.read_text().splitlines() if "scontrol" in line]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_the_job_is_told_apart_and_given_its_limit_by_sudo(node: Node) -> None:
    assert node.extend(f"alice|{NAME}|\n") == TimeSet()
    update = "scontrol update JobId=7 TimeLimit=120"
    assert node.updates == [f"sudo -n -u slurm {update}", update]
    assert "--jobs=7" in node.calls.read_text().splitlines()[0]


def test_an_account_that_is_an_operator_needs_no_sudo(node: Node) -> None:
    assert node.extend(f"alice|{NAME}|\n", run_as=None) == TimeSet()
    assert "sudo" not in node.calls.read_text()


def test_where_jobs_are_hidden_it_is_shown_to_who_sees_all(node: Node) -> None:
    assert node.extend(f"alice|{NAME}|\n", look_as="slurm") == TimeSet()
    assert node.calls.read_text().startswith("sudo -n -u slurm squeue ")


@pytest.mark.parametrize(
    "shown",
    [
        "",
        f"bob|{NAME}|\n",
        f"nobody|{NAME}|\n",
        f"alice|{NAME}1|\n",
        f"alice|{NAME}\n|\n",
        f"alice|x\nalice|{NAME}|\n",
        f"alice|{NAME}|\nalice|{NAME}|\n",
        "alice|$(reboot)|\n",
        "alice|*|\n",
        "-n|\n",
    ],
)
def test_another_job_of_this_number_is_left_alone(node: Node, shown: str) -> None:
    assert isinstance(node.extend(shown), Refused)
    assert node.updates == []


def test_a_queue_that_cannot_be_seen_changes_nothing(node: Node) -> None:
    gone = node.extend("", fails="slurm_load_jobs error: Invalid job id specified")
    away = node.extend("", fails="slurm_load_jobs error: Socket timed out on send/recv operation")
    assert (type(gone), type(away)) == (Refused, NotStarted)
    assert node.updates == []


@pytest.mark.parametrize(
    ("says", "expected", "words"),
    [
        ("Access/permission denied for job 7", Refused, "Slurm says: Access/permission denied"),
        ("Job has already finished for job 7", Refused, "Job has already finished"),
        ("Invalid job id specified for job 7", Refused, "Invalid job id specified"),
        ("sudo: a password is required", Refused, "The site has not granted it (sudo: a password is required)."),
        ("sudo: unknown user slurm", Refused, "The site has not granted it"),
        ("Job update not available right now, the DB index is being set, try again", NotStarted, "not available"),
        ("Unexpected message received for job 7", Unknown, "Unexpected message received"),
        ("Unspecified error for job 7", Unknown, "Unspecified error"),
        ("Access/permission denied for job 7 and more", Unknown, "and more"),
    ],
)
def test_slurms_and_sudos_words(node: Node, says: str, expected: type[ExtendResult], words: str) -> None:
    found = node.extend(f"alice|{NAME}|\n", says=says)
    assert isinstance(found, expected), found
    assert words in (found.message if isinstance(found, Refused) else getattr(found, "reason", ""))


@pytest.mark.parametrize(
    "outcome",
    [
        Completed(124, b"", b""),
        Completed(0, b"\nbwvisu-extend told rc=0", b""),
        Completed(0, b"\nbwvisu-extend told rc=0\nmore\n", b""),
        Completed(0, b"xbwvisu-extend told rc=0\n", b""),
        Unknown("lost"),
    ],
)
def test_an_answer_that_is_not_whole_is_unknown(outcome: Outcome) -> None:
    assert isinstance(extend.parse(outcome), Unknown)


def test_what_surely_did_not_start_stays_so() -> None:
    assert extend.parse(NotStarted("refused")) == NotStarted("refused")


@given(st.binary(), st.binary(), st.integers(0, 255))
def test_garbage_sets_no_time(stdout: bytes, stderr: bytes, status: int) -> None:
    assert isinstance(extend.parse(Completed(status, stdout, stderr)), Unknown)
