"""A batch script gets its ports, or a clear end."""

import http.server
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI

from keyhole.api import Limits
from keyhole.domain import Refusal, Run
from tests.contract.keyhole_client.conftest import OWN_PYTHON, Start, config
from tests.support.keyhole_api import FIRST, JOB, MemoryLedger, app, grant, serving
from tests.support.waiting import free_port, until

SHOW = 'echo "$KEYHOLE_PORT0 $KEYHOLE_GATEWAY0 $KEYHOLE_EXTERNAL_PORT0 ${SLURM_EXPORT_ENV-unset}"; env'
VERSION = re.compile(r"\d+").findall
OTHERS = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python3"), key=lambda path: [*map(int, VERSION(str(path)))])
PYTHONS = list(dict.fromkeys([OWN_PYTHON, *map(str, OTHERS[:1] + OTHERS[-1:])]))
"""Debian's, and where this machine has more the oldest and the newest."""


@pytest.mark.parametrize("python", PYTHONS)
def test_the_ports_are_in_the_environment_of_what_follows(
    start: Start, url: str, ledger: MemoryLedger, python: str
) -> None:
    """The first address is dead, and the leader needs longer than one call."""
    port = free_port()
    script = start(config(f"http://127.0.0.1:{free_port()}", url), SHOW, python=python)
    until(lambda: "not yet" in script.err)
    ledger.answers[JOB, FIRST] = grant(port)
    assert script.wait() == 0, script.err
    assert script.out.splitlines()[0] == f"{port} gw1.example.org {port - 10000} unset"
    assert f"\nKEYHOLE_PORT0={port}\n" in script.out
    request = ledger.requests[JOB, FIRST]
    assert (request.slurm_job_id, request.hosts, request.ports) == (4711, ("n1", "n2"), 1)
    until(lambda: ledger.said() == [("started", None), ("exited", None)])
    assert "Traceback" not in script.err


@pytest.mark.parametrize("shell", ["bash", "dash"])
@pytest.mark.parametrize("before", ["", "set -euo pipefail", "set -aCfu; IFS=0123456789", "python3() { exit 9; }"])
def test_the_template_may_use_any_shell_options(
    start: Start, url: str, ledger: MemoryLedger, shell: str, before: str
) -> None:
    if shell == "dash":
        before = before.replace("euo pipefail", "eu")
    ledger.answers[JOB, FIRST] = grant(14500, 14501)
    body = 'env | while read -r line; do echo "$line"; done'
    script = start(config(url, ports=2), body, shell=shell, before=before)
    assert script.wait() == 0, script.err
    assert {"KEYHOLE_PORT0=14500", "KEYHOLE_PORT1=14501"} <= set(script.out.splitlines())
    assert {"KEYHOLE_EXTERNAL_PORT0=4500", "KEYHOLE_EXTERNAL_PORT1=4501"} <= set(script.out.splitlines())


def test_a_requeued_start_asks_as_itself(start: Start, url: str, ledger: MemoryLedger) -> None:
    ledger.answers[JOB, Run(1, 2)] = grant(14500, run=Run(1, 2))
    assert start(config(url), SLURM_RESTART_COUNT="2").wait() == 0
    assert set(ledger.requests) == {(JOB, Run(1, 2))}


def test_two_starts_at_once_get_the_same_ports(start: Start, url: str, ledger: MemoryLedger) -> None:
    scripts = [start(config(url), "echo $KEYHOLE_PORT0") for _ in range(2)]
    until(lambda: ledger.requests)
    ledger.answers[JOB, FIRST] = grant(free_port())
    assert [script.wait() for script in scripts] == [0, 0]
    assert scripts[0].out == scripts[1].out != ""


@pytest.mark.parametrize("offset", [-3600.0, 3600.0])
def test_a_wrong_clock_is_corrected(start: Start, ledger: MemoryLedger, offset: float) -> None:
    ledger.answers[JOB, FIRST] = grant(14500)
    with serving(app(ledger, clock_offset=offset)) as url:
        script = start(config(url))
        assert script.wait() == 0, script.err
    assert "clock is off by" in script.err


def test_the_keyhole_may_be_behind_a_path(start: Start, ledger: MemoryLedger) -> None:
    ledger.answers[JOB, FIRST] = grant(14500)
    proxy = FastAPI()
    proxy.mount("/bwvisu", app(ledger))
    with serving(proxy) as url:
        script = start(config(f"{url}/bwvisu/"))
        assert script.wait() == 0, script.err


def test_a_keyhole_out_of_order_is_waited_for(start: Start, url: str, ledger: MemoryLedger) -> None:
    ledger.answers[JOB, FIRST] = grant(14500)
    ledger.down = True
    script = start(config(url))
    until(lambda: "503" in script.err)
    ledger.down = False
    assert script.wait() == 0, script.err


def test_a_port_that_is_taken_is_given_back(start: Start, url: str, ledger: MemoryLedger) -> None:
    with socket.create_server(("", 0)) as stranger:
        taken, free = stranger.getsockname()[1], free_port()
        ledger.answers[JOB, FIRST] = grant(taken)
        script = start(config(url), "echo $KEYHOLE_PORT0")
        until(lambda: ledger.said() == [("port-taken", taken)])
        ledger.answers[JOB, FIRST] = grant(free)
        assert script.wait() == 0, script.err
    assert script.out == f"{free}\n"
    assert [said for said in ledger.said() if said[0] == "port-taken"] == [("port-taken", taken)]


def test_a_refusal_ends_the_script(start: Start, url: str, ledger: MemoryLedger) -> None:
    ledger.answers[JOB, FIRST] = Refusal(code="superseded", message="attempt 2 runs")
    script = start(config(url), "echo unreachable")
    assert (script.wait(), script.out) == (77, "")
    assert "attempt 2 runs" in script.err
    assert "got no ports and ends: the keyhole refused (exit code 77)" in script.err


def test_no_answer_ends_the_script(start: Start, url: str, ledger: MemoryLedger) -> None:
    script = start(config(url, deadline=3), "echo unreachable")
    assert (script.wait(), script.out) == (75, "")
    assert "the keyhole did not answer in time (exit code 75)" in script.err
    assert len(ledger.requests) == 1


def test_outside_of_slurm_the_script_ends(start: Start, url: str, ledger: MemoryLedger) -> None:
    script = start(config(url), "echo unreachable", SLURM_JOB_ID="")
    assert (script.wait(), script.out) == (78, "")
    assert not ledger.requests


def test_without_python_the_script_ends(start: Start, url: str) -> None:
    script = start(config(url), "echo unreachable", python=None)
    assert (script.wait(), script.out) == (127, "")
    assert "there is no python3 on this node" in script.err


@contextmanager
def rogue(answer: bytes) -> Iterator[str]:
    """A server that gives this answer to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


FORWARD = '{"internal_port": %s, "external_host": %s, "external_port": 40000, "gateway": "gw1"}'


@pytest.mark.parametrize(
    "answer",
    [
        FORWARD % ("14500", '"$(touch pwned)"'),
        FORWARD % ("14500", '"gw1; touch pwned #"'),
        FORWARD % ('"14500; touch pwned"', '"gw1"'),
        FORWARD % ("14500", '"gw1\\ntouch pwned"'),
        "[" * 100_000,
    ],
)
def test_a_hostile_answer_never_reaches_the_shell(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with rogue(b'{"forwards": [%s]}' % answer.encode()) as url:
        script = start(config(url, deadline=1), "echo unreachable")
        assert (script.wait(), script.out) == (75, ""), script.err
    assert not list(tmp_path.glob("pwned"))


def test_patience_is_bounded_by_the_deadline_also_while_the_keyhole_waits(start: Start, ledger: MemoryLedger) -> None:
    with serving(app(ledger, Limits(answer_seconds=25))) as url:
        script = start(config(url, deadline=1))
        assert script.process.wait(20) == 75
        ledger.answers[JOB, FIRST] = grant(14500)  # so that the keyhole need not wait any longer
