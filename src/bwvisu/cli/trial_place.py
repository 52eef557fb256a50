"""Where an application is tried: on a sandbox cluster with a service of its own, or by a service that has it."""

import json
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from bwvisu.adapters.bundles import Bundle
from bwvisu.cli.endings import be_deaf
from bwvisu.cli.local import LocalService, cluster
from bwvisu.cli.profiles import Connection
from bwvisu.cli.rest import Rest
from bwvisu.errors import NotFound, TryAgain, UserError
from bwvisu.rest import Json
from bwvisu.sandbox import Options, Sandbox
from bwvisu.sandbox.runner import run

DEFAULT = "default"
"""The sandbox that is used where it is up."""
GATEWAYS = ("gw1", "gw2")
PORTS = [58000, 58999]
"""Away from those that a service beside ours begins with."""
Say = Callable[[str], None]


class Place(NamedTuple):
    """Where the job runs, and how its log is read there; empty: it is not."""

    rest: Rest
    log: Callable[[Json], str]


@contextmanager
def on_sandbox(bundle: Bundle, folder: Path, name: str | None, say: Say) -> Iterator[Place]:
    """A service that offers this bundle and nothing else, on a sandbox: the one that is up, else one for the trial.

    Nothing of the service stays, neither in the sandbox's etcd nor on its gateways.
    """
    with ExitStack() as stack:
        box = _found(name, say) or stack.enter_context(cluster(Options(name=f"try-{secrets.token_hex(3)}"), say))
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bwvisu-try-")))
        offered = place / "applications"
        offered.mkdir()
        (offered / bundle.name).symlink_to(folder.resolve())
        service = _service(box, place, offered)
        stack.callback(_leave_nothing, service)
        stack.enter_context(service)
        stack.callback(be_deaf)
        service.start()
        service.wait_until_ready()
        say("the service is ready")
        rest = stack.enter_context(Rest(Connection(service.url, service.token, user="alice")))
        yield Place(rest, lambda job: _written(box, job))


@contextmanager
def by_api(bundle: Bundle, where: Connection, say: Say) -> Iterator[Place]:
    """A service that has this very bundle.  Raises UserError where it has none, or another version."""
    with Rest(where) as rest:
        try:
            offered = rest.call("GET", f"/applications/{bundle.name}")
        except NotFound as error:
            raise UserError(f"{where.url} has no application {bundle.name}: put its folder there first") from error
        if offered["digest"] != bundle.digest:
            raise UserError(f"{where.url} has another version of {bundle.name}: put this folder there first")
        say(f"{where.url} has this version")
        yield Place(rest, lambda _: "")


def _found(name: str | None, say: Say) -> Sandbox | None:
    """The sandbox that is up; None where there is none and none was named.  Raises SandboxError, TryAgain."""
    if name is None and DEFAULT not in Sandbox.names():
        return None
    box = Sandbox.load(name or DEFAULT)
    broken = [host.name for host in box.status() if not host.whole]
    if broken:
        raise TryAgain(
            f"of the sandbox {name or DEFAULT} these are not up: {', '.join(broken)}; mend it, or take it down"
        )
    say(f"using the sandbox {name or DEFAULT}, which is up")
    return box


def _service(box: Sandbox, place: Path, offered: Path) -> LocalService:
    # nftables: what is left on a gateway is one table, and is removed as one
    forwards = {"quarantine": 5, "port_range": PORTS, "backend": "nftables"}
    prefix = f"{box.etcd.prefix}/try-{secrets.token_hex(4)}"
    top = {"applications": {"path": str(offered)}, "etcd": {"prefix": prefix}}
    return LocalService(box, place, cluster={"forwards": forwards}, top=top)


def _written(box: Sandbox, job: Json) -> str:
    """The end of what Slurm wrote for the job; its user reads it, who may have put anything there."""
    name = f"/home/{job['user']}/bwvisu-job-{job['id']}.out"
    return box.run("cmd1", ["tail", "-c", "8192", name], user=str(job["user"])).stdout


def _leave_nothing(service: LocalService) -> None:
    """Of a service that has ended: its records, and its tables on the gateways."""
    box, prefix = service.box, service.settings["etcd"]["prefix"]
    argv, environment = box.etcd.etcdctl()
    key = f"{prefix}/v1/installation"
    record = run([*argv, "get", "--print-value-only", key], env=environment).stdout
    if record.strip():
        installation = json.loads(record)["id"]
        for gateway in GATEWAYS:
            box.run(gateway, ["nft", "delete", "table", "ip", f"bwv-{installation}"])
    run([*argv, "del", "--prefix", f"{prefix}/"], env=environment)
