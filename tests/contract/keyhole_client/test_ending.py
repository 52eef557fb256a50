"""How a script ends is how its client ends, and is told with its last words."""

import os
import signal

import pytest

from keyhole.domain import Report
from tests.contract.keyhole_client.conftest import KEY, PASSWORD, Script, Start, config
from tests.support.keyhole_api import FIRST, JOB, MemoryLedger, grant
from tests.support.waiting import free_port, until

TAIL = 16384


def last(ledger: MemoryLedger) -> Report:
    """What was reported last."""
    return max(ledger.reports.items())[1]


@pytest.fixture
def granted(ledger: MemoryLedger) -> MemoryLedger:
    ledger.answers[JOB, FIRST] = grant(free_port())
    return ledger


def running(script: Script, ledger: MemoryLedger) -> Script:
    """One whose body has said that it is there."""
    until(lambda: "ready" in script.out and ledger.said() == [("started", None)], what=script.err)
    return script


@pytest.mark.parametrize("shell", ["bash", "dash"])
@pytest.mark.parametrize("code", [0, 3, 137])
def test_the_exit_code_is_the_scripts_and_is_told(
    start: Start, url: str, granted: MemoryLedger, shell: str, code: int
) -> None:
    """Whatever traps the script sets for itself."""
    body = f"trap 'echo cleaned' EXIT; exit {code}"
    script = start(config(url), body, shell=shell, before="set -eu")
    assert (script.wait(), script.out) == (code, "cleaned\n"), script.err
    assert (last(granted).event, last(granted).exit_code) == ("exited", code)


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_a_script_that_asks_for_no_ports_tells_its_end_all_the_same(
    start: Start, url: str, ledger: MemoryLedger, shell: str
) -> None:
    script = start(config(url, ports=0), "echo lost >&2; exit 3", shell=shell, before="set -eu")
    assert script.wait() == 3
    assert ledger.said() == [("started", None), ("exited", None)]
    assert (last(ledger).exit_code, last(ledger).log_tail) == (3, "lost\n")
    assert not ledger.requests


def test_where_nobody_can_tell_a_script_that_asks_for_no_ports_runs_nevertheless(
    start: Start, url: str, ledger: MemoryLedger
) -> None:
    script = start(config(url, ports=0), "echo done; exit 3", python=None)
    assert (script.wait(), script.out, script.err) == (3, "done\n", "")
    assert not ledger.reports


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_script_that_dies_by_a_signal_is_seen_to(
    start: Start, url: str, granted: MemoryLedger, number: signal.Signals
) -> None:
    script = running(start(config(url), "echo ready; while :; do sleep 1; done"), granted)
    os.kill(script.inner(), number)
    assert script.wait() == -number
    assert (last(granted).event, last(granted).exit_code) == ("exited", -number)


def test_what_slurm_sends_to_all_is_survived_until_the_script_has_ended(
    start: Start, url: str, granted: MemoryLedger
) -> None:
    """scancel and time limits send SIGTERM to every process of the job; an application may take its time to end."""
    body = "trap 'echo saving; sleep 1; echo saved; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    script = running(start(config(url), body), granted)
    os.killpg(script.process.pid, signal.SIGTERM)
    assert script.wait() == 5
    assert script.out == "ready\nsaving\nsaved\n"
    assert last(granted).exit_code == 5


def test_a_signal_for_the_batch_script_alone_reaches_it(start: Start, url: str, granted: MemoryLedger) -> None:
    """As sbatch's --signal=B:USR1@60 sends it."""
    script = running(start(config(url), "trap 'exit 6' USR1; echo ready; while :; do sleep 0.1; done"), granted)
    os.kill(script.process.pid, signal.SIGUSR1)
    assert script.wait() == 6


def test_its_last_words_are_told_without_secrets(start: Start, url: str, granted: MemoryLedger) -> None:
    script = start(
        config(url), f"echo 'password {PASSWORD} key {KEY}' >&2; printf '\\303\\050 last words\\n' >&2; exit 1"
    )
    assert script.wait() == 1
    assert last(granted).log_tail == "password ******** key ********\n\ufffd( last words\n"


def test_of_a_long_log_whole_lines_of_its_end_are_told(start: Start, url: str, granted: MemoryLedger) -> None:
    script = start(config(url), "for i in $(seq 9000); do echo line $i >&2; done", path=("seq",))
    assert script.wait() == 0
    tail = last(granted).log_tail or ""
    lines = tail.splitlines()
    assert TAIL - 20 < len(tail) <= TAIL
    assert lines == [f"line {number}" for number in range(9001 - len(lines), 9001)]


def test_a_secret_at_the_cut_does_not_show_its_rest(start: Start, url: str, granted: MemoryLedger) -> None:
    """One endless line, which begins with the password; what is reported begins in the middle of it."""
    rest = TAIL - 10
    script = start(config(url), f"printf '%s%0{rest}d' {PASSWORD} 0 >&2")
    assert script.wait() == 0
    assert set(last(granted).log_tail or "") == {"0"}


def test_the_script_starts_as_slurm_would_start_it(start: Start, url: str, granted: MemoryLedger) -> None:
    """Nothing to read, its own folder, its own options, and no trace of the client."""
    script = start(config(url), 'cat; pwd; echo "[$-]"; echo "${BWVISU_RUN-none}"; ls -l /proc/self/fd', path=("ls",))
    assert script.wait() == 0, script.err
    folder, options, trace, *held = script.out.splitlines()
    assert (folder, options, trace) == (str(script.folder), "[ehuB]", "none")
    assert len([line for line in held if " -> " in line]) == 4, "three files, and ls's own"


def test_where_the_keyhole_is_away_the_end_is_not_held_up_for_long(
    start: Start, url: str, granted: MemoryLedger
) -> None:
    script = running(start(config(url), "echo ready; sleep 2; exit 4"), granted)
    granted.down = True
    assert script.process.wait(40) == 4
    assert "not delivered" in script.err
