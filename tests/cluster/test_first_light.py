"""One job from POST to a page through a gateway, and to nothing, on a real cluster."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bwvisu.cli.local import LocalService, until
from bwvisu.sandbox import Sandbox
from tests.support.world import (
    QUARANTINE,
    Person,
    address,
    etcd_keys,
    fetch,
    forwards,
    leave_whole,
    service_in,
    slurm_jobs,
    states,
)

FORWARDS: dict[str, dict[str, Any]] = {
    "nftables": {"backend": "nftables"},
    "iptables": {"backend": "iptables"},
    "nftables over -ib0": {"backend": "nftables", "hostname_suffix": "-ib0"},
}


@pytest.fixture(params=FORWARDS)
def service(sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[LocalService]:
    with service_in(sandbox, tmp_path, {"forwards": FORWARDS[request.param]}) as service:
        service.start()
        service.wait_until_ready(120)
        yield service


def test_a_job_from_post_to_a_page_to_nothing(service: LocalService, sandbox: Sandbox) -> None:
    with service.client() as client:
        alice = Person(client)
        job_id = alice.submit(text="first light", minutes=5)
        job = alice.wait(job_id, "available")

        assert states(job) == ["accepted", "submitted", "running", "available"]
        assert "first light" in fetch(sandbox, address(job))
        (web,) = job["services"]
        assert web["reachable"]
        assert web["external_host"] == sandbox.addresses[web["gateway"]].outer
        node = sandbox.addresses[job["slurm"]["nodes"][0]]
        target = node.fabric if service.settings["clusters"]["main"]["forwards"].get("hostname_suffix") else node.inner
        assert forwards(sandbox, web["gateway"])[web["external_port"]] == f"{target}:{web['internal_port']}"
        assert [row["user"] for row in slurm_jobs(sandbox, job_id)] == ["alice"]

        alice.cancel(job_id)
        job = alice.wait(job_id, "finished")
        assert job["outcome"] == "cancelled"
        assert job["reason"]["code"] == "cancelled-by-user"
        until(lambda: not fetch(sandbox, address(job), seconds=1), 60, "nobody answers at the old address")
        until(lambda: not etcd_keys(service, "forwards"), QUARANTINE + 60, "the ports are free again")
        assert not slurm_jobs(sandbox, job_id)
        for gateway in ("gw1", "gw2"):
            assert not forwards(sandbox, gateway)


def test_what_a_user_types_reaches_the_job_as_that_very_text(sandbox: Sandbox, tmp_path: Path) -> None:
    hostile = (
        "$(touch /tmp/pwned) `id` '; rm -rf ~ #\" \\ ${HOME} && || | > < * ? ~ äöü 日本 %s {{ 7*7 }} #SBATCH --uid=0"
    )
    with service_in(sandbox, tmp_path) as service, service.client() as client:
        service.start()
        service.wait_until_ready(120)
        alice = Person(client)
        job = alice.wait(alice.submit(text=hostile, file="a b/$(id)/c"), "available")
        assert job["parameters"]["text"] == hostile
        seen = json.loads(fetch(sandbox, f"{address(job)}/env.json"))
        assert seen["text"] == hostile
        assert seen["file"] == "a b/$(id)/c"
        leave_whole(service, client)


def test_every_node_of_a_job_sees_its_port_though_the_first_keyhole_is_dead(sandbox: Sandbox, tmp_path: Path) -> None:
    with service_in(sandbox, tmp_path) as service, service.client() as client:
        dead = f"http://{sandbox.middleware_address}:1"
        service.configure({"keyhole": {"public_urls": [dead, *service.settings["keyhole"]["public_urls"]]}})
        service.start()
        service.wait_until_ready(120)
        alice = Person(client)
        job = alice.wait(alice.submit(nodes=2, tasks=1), "available", 90)
        port = job["services"][0]["internal_port"]
        rows = fetch(sandbox, f"{address(job)}/srun.txt").splitlines()
        assert len(rows) == 2
        assert sorted(rows) == sorted(f"{node} {port}" for node in job["slurm"]["nodes"])
        leave_whole(service, client)
