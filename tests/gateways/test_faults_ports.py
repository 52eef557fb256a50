"""A job asks twice for its ports; a job ends while somebody is connected to it."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from bwvisu.cli.local import until
from bwvisu.sandbox import Sandbox
from tests.support.chaos import Scene, flows, grants, scene, viewer
from tests.support.jobs_voice import speak
from tests.support.world import address, fetch, forwards


@pytest.fixture(scope="module")
def world(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(sandbox, tmp_path_factory.mktemp("ports"), "all") as world:
        world.lead()
        yield world


def test_fault_16_the_same_request_many_times_gets_the_same_ports(world: Scene) -> None:
    job = world.session()
    before = grants(world.service)
    asked = {"slurm_job_id": job["slurm"]["job_id"], "hosts": job["slurm"]["nodes"]}

    def ask(ports: int) -> httpx2.Response:
        return speak(world.service, job["id"], "forwards", ports=ports, **asked)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, [1] * 8))
    assert {answer.status_code for answer in answers} == {200}
    (web,) = job["services"]
    expected = {"forwards": [{key: web[key] for key in ("internal_port", "external_host", "external_port", "gateway")}]}
    assert all(answer.json() == expected for answer in answers)

    other = ask(2)
    assert other.status_code == 409
    assert other.json()["type"].endswith("/problems/different-request")
    assert grants(world.service) == before
    world.in_order(job)
    world.end(job["id"])


def test_fault_26_a_connection_ends_with_its_job_and_nobody_reaches_the_next_tenant(
    world: Scene, sandbox: Sandbox
) -> None:
    """The next tenant is bob, who listens on the same port of the same host the moment that it is free."""
    job = world.session()
    (web,) = job["services"]
    node, gateway, port = web["internal_host"], web["gateway"], web["external_port"]
    server = ["/usr/bin/python3", "-m", "http.server", "--directory", "/home/bob", str(web["internal_port"])]
    with viewer(sandbox, job) as connected:
        assert port in flows(sandbox, gateway)
        assert sandbox.run("ctl", ["scancel", str(job["slurm"]["job_id"])]).returncode == 0
        until(lambda: not connected(), 60, "the connection is cut")
    try_again = ["sh", "-c", f"until {' '.join(server)}; do :; done"]
    with sandbox.popen(node, try_again, user="bob", stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as tenant:
        try:
            until(lambda: tenant_page(sandbox, node, web["internal_port"]), 60, "the next tenant serves")
            until(lambda: port not in forwards(sandbox, gateway), 60, "the rule is gone")
            assert not fetch(sandbox, address(job), seconds=2)
            until(lambda: port not in flows(sandbox, gateway), 30, "connections are cut right after the rule has gone")
        finally:
            pids = sandbox.run(node, ["pgrep", "-u", "bob"]).stdout.split()
            sandbox.run(node, ["kill", "-KILL", *pids])
            tenant.wait(30)
    assert world.alice.wait(job["id"], "finished")["outcome"] == "cancelled"
    world.empty()


def tenant_page(box: Sandbox, node: str, port: int) -> str:
    return fetch(box, f"http://127.0.0.1:{port}", node=node, seconds=1)
