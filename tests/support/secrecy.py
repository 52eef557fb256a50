"""Where a job's password must not be: looked for in each place after something that is known to be there."""

import itertools
import re
from collections.abc import Iterable

from playwright.sync_api import Page

from bwvisu.cli.local import LocalService
from bwvisu.sandbox import Sandbox
from tests.support.world import OpenJob

EVERYTHING = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'"


def addresses_of(page: Page) -> list[str]:
    """What the page's servers see of its requests, growing; a browser keeps fragments to itself."""
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url.partition("#")[0]))
    page.on("websocket", lambda socket: addresses.append(socket.url))
    return addresses


def assert_unseen(
    secret: str, job: OpenJob, sandbox: Sandbox, service: LocalService, signs: tuple[str, str, str], sent: Iterable[str]
) -> None:
    """A secret is in no process's arguments or environment, and in no log or address.

    ``signs``: of the application in its processes, in its job's log, and in the addresses ``sent``.
    """
    log = sandbox.run(job.node, ["cat", f"/home/alice/bwvisu-job-{job.id}.out"]).stdout
    processes = sandbox.run(job.node, ["sh", "-c", EVERYTHING]).stdout
    ours = service.log_tail(lines=1_000_000)
    for place, sign in zip((processes, log, "\n".join(sent), ours), (*signs, "getJobAccess"), strict=True):
        assert sign in place
        assert secret not in place


def assert_displays_are_private(job: OpenJob, sandbox: Sandbox) -> None:
    """Nobody on the node opens an X display without its cookie, and none listens on a port."""
    displays = set(re.findall(r"/\.X11-unix/X(\d+)", sandbox.run(job.node, ["ss", "-Hlx"]).stdout))
    assert displays
    for display, user in itertools.product(displays, ("alice", "bob")):
        tried = sandbox.run(job.node, ["sh", "-c", f"DISPLAY=:{display} xset q"], user=user)
        assert "unable to open display" in tried.stderr
    listening = sandbox.run(job.node, ["ss", "-Hltn"]).stdout.splitlines()
    ports = {int(line.split()[3].rpartition(":")[2]) for line in listening}
    assert {port for port in ports if port < 50_000} <= {6818}, "slurmd's; all others are the job's own"
