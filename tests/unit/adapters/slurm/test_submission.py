"""What is asked of sbatch, and what its answers mean.  The remote text runs in real shells here."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bwvisu.adapters.slurm import submission as submitting
from bwvisu.adapters.slurm.submission import Submission
from bwvisu.adapters.ssh import Completed
from bwvisu.domain.observation import NotStarted, Refused, SubmitResult, Submitted, Unknown

SCRIPT = b"#!/bin/sh\necho hello\n"
DIGEST = submitting.digest(SCRIPT)


def request(script: bytes = SCRIPT, **changes: object) -> Submission:
    base: dict[str, object] = {
        "user": "alice",
        "home": "/home/alice",
        "job_name": "bwv-a1b2c3-01jd-1",
        "output": "/home/alice/out-%j",
        "script": script,
    }
    return Submission(**(base | changes))  # type: ignore[arg-type]


def judged(stdout: str = "", stderr: str = "", status: int = 1) -> SubmitResult:
    printed = f"hello from .bashrc\nREADY {DIGEST}\n{stdout}\nEND {DIGEST} rc={status}\n"
    return submitting.parse(Completed(0, printed.encode(), stderr.encode()), DIGEST)


def failed(words: str) -> SubmitResult:
    return judged(stderr=f"sbatch: error: Batch job submission failed: {words}\n")


def test_the_argv_is_exactly_what_administrators_allow() -> None:
    assert submitting.sbatch(request(options=("--partition=gpu",))) == (
        *("sudo", "-n", "-u", "alice", "sbatch", "--parsable", "--no-requeue", "--export=NONE"),
        *("--chdir=/home/alice", "--job-name=bwv-a1b2c3-01jd-1", "--output=/home/alice/out-%j", "--partition=gpu"),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"user": "-u"},
        {"user": "#0"},
        {"user": ""},
        {"user": "a b"},
        {"home": "home"},
        {"output": "out"},
        {"options": ("-N", "2")},
        {"options": ("/bin/sh",)},
        {"options": ("--wrap=a\nb",)},
        {"script": b"echo"},
        {"script": b"#!/bin/sh\n\0"},
    ],
)
def test_what_could_be_mistaken_is_never_said(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        request(**changes)


def test_neither_script_nor_its_words_are_shown_by_repr() -> None:
    secret = request(b"#!/bin/sh\nPASSWORD=hunter2\n")
    assert "hunter2" not in repr(secret) + repr(submitting.conversation(secret, 25))


@pytest.mark.parametrize(
    ("stdout", "expected"),
    [("4711", Submitted(4711)), ("4711;main", Submitted(4711, "main")), ("\n4711\n", Submitted(4711))],
)
def test_an_id_is_a_submission(stdout: str, expected: Submitted) -> None:
    assert judged(stdout, status=0) == expected


@pytest.mark.parametrize("stdout", ["", "hello", "4711 4712", "-1", "4711;a b", "٣"])
def test_success_without_an_id_is_unknown(stdout: str) -> None:
    assert isinstance(judged(stdout, status=0), Unknown)


@pytest.mark.parametrize(
    "words",
    [
        "Invalid partition name specified",
        "User's group not permitted to use this partition",
        "Requested time limit is invalid (missing or exceeds some limit)",
    ],
)
def test_a_known_no_is_a_refusal_in_its_words(words: str) -> None:
    assert failed(words) == Refused(words)


@pytest.mark.parametrize(
    "words",
    [
        "Socket timed out on send/recv operation",
        "Unable to contact slurm controller (connect failure)",
        "Protocol authentication error",
        "Slurm temporarily unable to accept job, sleeping and retrying",
        "Unspecified error",
        "No error",
        "Zero Bytes were transmitted or received",
        "Invalid partition name specified, or so it seems",
    ],
)
def test_every_other_failure_may_hide_a_job(words: str) -> None:
    assert isinstance(failed(words), Unknown)


@pytest.mark.parametrize(
    ("stderr", "status"),
    [
        ("sbatch: unrecognized option '--nosuch'\nTry \"sbatch --help\" for more information\n", 255),
        ("sbatch: error: Invalid --time specification\n", 255),
        ("sbatch: error: Invalid generic resource (gres) specification\n", 1),
    ],
)
def test_options_are_refused_too(stderr: str, status: int) -> None:
    assert isinstance(judged(stderr=stderr, status=status), Refused)


@pytest.mark.parametrize(
    ("stderr", "code"),
    [
        ("sudo: unknown user nosuch\nsudo: error initializing audit plugin sudoers_audit\n", "unknown-user"),
        ("sudo: a password is required\n", "not-permitted"),
        ("Sorry, user bwvisu is not allowed to execute '/usr/bin/sbatch' as root on cmd1.\n", "not-permitted"),
    ],
)
def test_sudo_refuses_with_a_code_of_its_own(stderr: str, code: str) -> None:
    refusal = judged(stderr=stderr)
    assert isinstance(refusal, Refused)
    assert refusal.code == code


@pytest.mark.parametrize("status", [124, 129, 137, 143, 255, 2])
def test_a_killed_or_strange_end_is_unknown(status: int) -> None:
    assert isinstance(judged(stderr="Terminated\n", status=status), Unknown)


@pytest.mark.parametrize(
    ("stderr", "status"), [("timeout: failed to run command", 127), ("sudo: sbatch: command not found\n", 1)]
)
def test_a_node_without_sbatch_is_not_started(stderr: str, status: int) -> None:
    result = judged(stderr=stderr, status=status)
    assert isinstance(result, NotStarted)
    assert not result.retryable


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_garbage_is_unknown(stdout: bytes, stderr: bytes) -> None:
    assert isinstance(submitting.parse(Completed(0, stdout, stderr), DIGEST), Unknown)


@given(st.integers(0, 200))
def test_an_answer_cut_off_anywhere_is_unknown(length: int) -> None:
    whole = f"READY {DIGEST}\n4711\n\nEND {DIGEST} rc=0\n".encode()
    outcome = submitting.parse(Completed(0, whole[: min(length, len(whole) - 1)], b""), DIGEST)
    assert isinstance(outcome, Unknown)


@pytest.mark.parametrize("outcome", [NotStarted("away"), Unknown("lost")])
def test_the_wires_own_outcomes_pass_through(outcome: NotStarted | Unknown) -> None:
    assert submitting.parse(outcome, DIGEST) == outcome


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A directory with a `sudo` that keeps what it was given, and says an id."""
    program = tmp_path / "sudo"
    program.write_text(f'#!/bin/sh\ncat > {tmp_path}/script\nprintf "%s\\n" "$@" > {tmp_path}/argv\necho 4711\n')
    program.chmod(0o755)
    return tmp_path


def wrapped(folder: Path, shell: str, script: bytes, sent: bytes) -> SubmitResult:
    for leftover in ("script", "argv"):
        (folder / leftover).unlink(missing_ok=True)
    talk = submitting.conversation(request(script), 5)
    done = subprocess.run(
        [shell, *talk.argv[1:]], input=sent, env={"PATH": f"{folder}:/usr/bin:/bin"}, capture_output=True, check=True
    )
    assert re.search(rb"^" + talk.ready + rb"$", done.stdout, re.MULTILINE)
    return submitting.parse(Completed(done.returncode, done.stdout, done.stderr), submitting.digest(script))


@pytest.mark.parametrize("shell", ["/bin/dash", "/bin/bash"])
@pytest.mark.parametrize(
    "body", [b"", b"x", b"\n\n\n\n", b"\xff\xfe\\n%s%d\\c $(id) `id` '\"\n", b"." * 300_000, b"a\r\nb\n.", b"x=\\\ny"]
)
def test_the_script_arrives_byte_for_byte(stand_in: Path, shell: str, body: bytes) -> None:
    script = b"#!/bin/sh\n" + body
    assert wrapped(stand_in, shell, script, script) == Submitted(4711)
    assert (stand_in / "script").read_bytes() == script
    assert (stand_in / "argv").read_text().split("\n")[:-1] == list(submitting.sbatch(request(script)))[1:]


@given(body=st.binary(max_size=300).filter(lambda body: b"\0" not in body))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_script_arrives_byte_for_byte(stand_in: Path, body: bytes) -> None:
    script = b"#!" + body
    assert wrapped(stand_in, "/bin/dash", script, script) == Submitted(4711)
    assert (stand_in / "script").read_bytes() == script


@pytest.mark.parametrize("sent", [b"", SCRIPT[:1], SCRIPT[:-1], SCRIPT.replace(b"hello", b"HELLO"), SCRIPT[::-1]])
def test_half_or_altered_it_starts_nothing(stand_in: Path, sent: bytes) -> None:
    assert isinstance(wrapped(stand_in, "/bin/dash", SCRIPT, sent), NotStarted)
    assert not (stand_in / "argv").exists()


def test_what_arrives_too_late_starts_nothing(stand_in: Path) -> None:
    """The last byte comes only after the wrapper has stopped reading."""
    talk = submitting.conversation(request(), 5)
    argv = [argument.replace(f"timeout {submitting.READ_WITHIN} ", "timeout 1 ") for argument in talk.argv]
    path = {"PATH": f"{stand_in}:/usr/bin:/bin"}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(SCRIPT[:-1])
        process.stdin.flush()
        printed = process.stdout.read()
        assert isinstance(submitting.parse(Completed(0, printed, b""), DIGEST), NotStarted)
    assert not (stand_in / "argv").exists()
