"""A shell on a compute node, in the browser: for whoever has the password, and for nobody else."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Error, Page, expect

from bwvisu.cli.local import LocalService, until
from bwvisu.sandbox import Sandbox
from tests.support.browser import PATIENCE, Terminal
from tests.support.world import Person

OPENS_A_WEBSOCKET = """address => new Promise(done => {
    const socket = new WebSocket(address)
    socket.onopen = () => { done(true); socket.close() }
    socket.onerror = () => done(false)
})"""
STATUS = "([method, path]) => fetch(path, {method}).then(answer => answer.status)"


@dataclass(frozen=True)
class Shell:
    """A running terminal and what opens it."""

    job: dict[str, Any]
    url: str
    password: str = field(repr=False)

    @property
    def node(self) -> str:
        """The compute node on which it runs."""
        return str(self.job["slurm"]["nodes"][0])

    @property
    def websocket(self) -> str:
        """What its page talks to."""
        return f"ws://{urlsplit(self.url).netloc}/terminals/websocket/1"


@pytest.fixture
def shell(alice: Person) -> Iterator[Shell]:
    job = alice.wait(alice.submit("terminal", minutes=5), "available")
    access = alice.client.get(f"/api/v1/jobs/{job['id']}/access").json()
    yield Shell(job, access["url"], access["password"])
    alice.cancel(job["id"])
    alice.wait(job["id"], "finished")


def test_with_the_password_a_person_types_on_the_compute_node(shell: Shell, visitor: Callable[[], Page]) -> None:
    terminal = Terminal(visitor(), shell.url)
    terminal.sign_in(shell.password)
    terminal.type("echo hello-$((40+2)); hostname; whoami")
    terminal.wait_for("hello-42\n")
    told = f"\nhello-42\n{shell.node}\nalice\n"
    until(lambda: told in "\n".join(terminal.lines()) + "\n", 30, "all three have answered")


def test_without_the_password_nothing_works(shell: Shell, visitor: Callable[[], Page]) -> None:
    owner, stranger = visitor(), visitor()
    Terminal(owner, shell.url).sign_in(shell.password)
    assert owner.evaluate(OPENS_A_WEBSOCKET, shell.websocket)
    assert owner.evaluate(STATUS, ["GET", "/api/terminals/1"]) == 200

    stranger.goto(shell.url)
    assert urlsplit(stranger.url).path == "/login"
    assert not stranger.evaluate(OPENS_A_WEBSOCKET, shell.websocket)
    assert stranger.evaluate(STATUS, ["GET", "/api/terminals/1"]) == 403
    assert stranger.evaluate(STATUS, ["POST", "/api/terminals"]) == 403
    Terminal(stranger, shell.url).submit("password")
    expect(stranger.get_by_text("Invalid credentials")).to_be_visible()
    assert not stranger.evaluate(OPENS_A_WEBSOCKET, shell.websocket)


def test_the_password_stays_out_of_addresses_logs_and_processes(
    shell: Shell, visitor: Callable[[], Page], sandbox: Sandbox, service: LocalService
) -> None:
    page = visitor()
    addresses = [shell.url]
    page.on("request", lambda request: addresses.append(request.url))
    page.on("websocket", lambda socket: addresses.append(socket.url))
    Terminal(page, shell.url).sign_in(shell.password)

    everything = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'"
    log = sandbox.run(shell.node, ["cat", f"/home/alice/bwvisu-job-{shell.job['id']}.out"]).stdout
    processes = sandbox.run(shell.node, ["sh", "-c", everything]).stdout
    ours = service.log_tail(lines=1_000_000)
    # each of them has seen this very sign-in, or could have told
    for place, sign in (
        ("\n".join(addresses), "/login?next="),
        (log, "POST /login?next="),
        (processes, "notebook"),
        (ours, "getJobAccess"),
    ):
        assert sign in place
        assert shell.password not in place


def test_an_end_closes_the_open_terminal_and_its_address(
    shell: Shell, visitor: Callable[[], Page], alice: Person
) -> None:
    page = visitor()
    connection = Terminal(page, shell.url).sign_in(shell.password)
    assert not connection.is_closed()
    with connection.expect_event("close", timeout=2 * PATIENCE):
        alice.cancel(shell.job["id"])
        alice.wait(shell.job["id"], "finished")
        # The gateway may cut the connection before the server closes it: then the browser learns it when it sends.
        page.keyboard.press("Enter")
    with pytest.raises(Error, match=re.escape("net::ERR_CONNECTION_REFUSED")):
        page.goto(shell.url)
