"""What the client sees of a running script: who listens on its ports, and that nobody does."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.contract.keyhole_client.conftest import OWN_PYTHON, Start, config
from tests.support.keyhole_api import FIRST, JOB, MemoryLedger, grant
from tests.support.waiting import free_port, until

LISTEN = "import socket, signal; s = socket.create_server(({address!r}, {port})); print(flush=True); signal.pause()"
AS_NOBODY = ("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups")


@contextmanager
def listening(port: int, *, address: str = "", via: tuple[str, ...] = ()) -> Iterator[None]:
    """A process that listens, until the end of the block."""
    argv = [*via, OWN_PYTHON, "-c", LISTEN.format(address=address, port=port)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"\n"
        try:
            yield
        finally:
            process.kill()


def test_an_own_listener_is_told_each_time_it_comes(start: Start, url: str, ledger: MemoryLedger) -> None:
    """That the second port is told shows that the watcher has looked while nobody was on the first."""
    first, second = free_port(), free_port()
    ledger.answers[JOB, FIRST] = grant(first, second)
    start(config(url, ports=2), "sleep 60")
    until(ledger.said)
    with listening(first):
        until(lambda: ledger.said() == [("started", None), ("listening", first)])
    with listening(second):
        until(lambda: ledger.said()[2:] == [("listening", second)])
        with listening(first):
            until(lambda: ledger.said()[3:] == [("listening", first)])


def test_a_listener_of_another_user_has_taken_the_port(start: Start, url: str, ledger: MemoryLedger) -> None:
    port = free_port()
    ledger.answers[JOB, FIRST] = grant(port)
    start(config(url), "sleep 60")
    until(lambda: ledger.said() == [("started", None)])
    with listening(port, via=AS_NOBODY):
        until(lambda: ledger.said() == [("started", None), ("port-taken", port)])
    with listening(port):
        until(lambda: ledger.said()[-1] == ("listening", port))


def test_a_listener_that_only_this_host_reaches_does_not_count(start: Start, url: str, ledger: MemoryLedger) -> None:
    inner, outer = sorted((free_port(), free_port()))
    ledger.answers[JOB, FIRST] = grant(inner, outer)
    start(config(url, ports=2), "sleep 60")
    until(ledger.said)
    with listening(inner, address="127.0.0.1"), listening(outer):
        until(lambda: ("listening", outer) in ledger.said())
        assert ledger.said() == [("started", None), ("listening", outer)]


def test_what_happens_while_the_keyhole_is_away_is_told_later(start: Start, url: str, ledger: MemoryLedger) -> None:
    port = free_port()
    ledger.answers[JOB, FIRST] = grant(port)
    script = start(config(url), "sleep 60")
    until(ledger.said)
    ledger.down = True
    with listening(port):
        until(lambda: "not delivered" in script.err)
        ledger.down = False
        until(lambda: ledger.said() == [("started", None), ("listening", port)])


def test_it_follows_a_script_that_becomes_its_application(start: Start, url: str, ledger: MemoryLedger) -> None:
    port = free_port()
    ledger.answers[JOB, FIRST] = grant(port)
    script = start(config(url), f'exec python3 -c "{LISTEN.format(address="", port=port)}"')
    until(lambda: ("listening", port) in ledger.said())
    os.kill(script.inner(), signal.SIGKILL)
    assert script.wait() == -signal.SIGKILL
    assert ledger.said()[-1] == ("exited", None)


def test_the_end_of_the_log_is_told_where_nobody_listens_in_time(start: Start, url: str, ledger: MemoryLedger) -> None:
    ledger.answers[JOB, FIRST] = grant(free_port())
    start(config(url, start_timeout=1), "echo loading the module >&2; sleep 60")
    until(lambda: ledger.said() == [("started", None)] * 2)
    assert ledger.reports[JOB, FIRST, 2].log_tail == "loading the module\n"
