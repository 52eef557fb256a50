"""Fault 22, with either packet filter: SSH is cut in the middle of a table load; rules are the old or the new ones."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bwvisu.cli.local import until
from bwvisu.sandbox import Sandbox
from tests.support.chaos import Scene, ambush, another, gateway_of, scene, send, throughout
from tests.support.world import forwards

TEMPLATES = Path(__file__).parent.parent / "support/templates"
PROGRAMS = {"nftables": "^nft -f -", "iptables": "^iptables-restore --noflush"}
LOADS = r"(?s)^/bin/sh -c .*fault truncated"
MOMENTS = {
    "before the table was read": signal.SIGSTOP,
    "while the filter has it": signal.SIGSTOP,
    "and the filter dies with it": signal.SIGKILL,
}


@pytest.fixture(scope="module", params=PROGRAMS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def world(sandbox: Sandbox, backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder, cluster = tmp_path_factory.mktemp(backend), {"forwards": {"backend": backend}}
    with scene(sandbox, folder, "all", cluster=cluster, applications={"path": str(TEMPLATES)}) as world:
        world.lead()
        yield world


@pytest.mark.parametrize("moment", MOMENTS)
def test_fault_22_ssh_cut_in_the_middle_of_a_load_leaves_old_or_new_rules(
    world: Scene, sandbox: Sandbox, backend: str, moment: str
) -> None:
    """What runs on the gateway is caught at the moment, its connection dies, then it goes on or is dead as well."""
    number, pattern = MOMENTS[moment], LOADS if moment.startswith("before") else PROGRAMS[backend]
    first = world.session("ports")
    gateway = another(gateway_of(first))
    with ambush(sandbox, gateway, pattern, number) as sprung:
        second = world.alice.submit("ports")
        caught = sprung().split()
    assert caught, "nothing was loaded"
    sandbox.stop(f"{gateway}:sshd")
    if number is signal.SIGSTOP:
        send(sandbox, gateway, "CONT", caught)
    whole = (0, 100)
    throughout(1, lambda: len(forwards(sandbox, gateway)) in whole, "all or nothing")
    sandbox.start(f"{gateway}:sshd")
    until(lambda: forwards(sandbox, gateway), 60, "the rules are loaded")
    assert len(forwards(sandbox, gateway)) == 100
    job = world.alice.wait(second, "available")
    assert world.usable(job)
    world.in_order(first, job)
    world.end(first["id"], second)
