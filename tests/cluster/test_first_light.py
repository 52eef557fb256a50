"""One job from POST to a page through a gateway, and to nothing, on a real cluster."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bwvisu.cli.local import LocalService, free_port, until
from bwvisu.sandbox import Sandbox
from tests.support.metrics import Scraped
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
        leader, keyhole = ({"metrics": {"port": free_port("127.0.0.1")}} for _ in range(2))
        service.configure({"leader": leader, "keyhole": keyhole})
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
    counted(service, web["gateway"], job_id)
    followed(service, job_id)


def counted(service: LocalService, gateway: str, job_id: str) -> None:
    """What reconciler and keyhole count afterwards is what has happened, and names nobody.

    On a busy machine a call may be made twice, or a service not answer for a moment.
    """
    leader, keyhole = (
        Scraped.of(f"http://127.0.0.1:{service.settings[role]['metrics']['port']}") for role in ("leader", "keyhole")
    )
    assert leader.sum("bwvisu_leader") == 1
    assert (leader.sum("bwvisu_submissions_total") or 0) >= 1
    for state in ("accepted", "submitted", "running", "available", "completing"):
        assert (leader.sum("bwvisu_job_state_seconds_count", cluster="main", state=state) or 0) >= 1, state
    assert leader.sum("bwvisu_job_queue_seconds_count") == leader.sum("bwvisu_job_available_seconds_count") == 1
    assert leader.sum("bwvisu_jobs_finished_total", outcome="cancelled") == 1
    assert leader.sum("bwvisu_jobs", state="finished") == leader.sum("bwvisu_jobs") == 1
    for change in ("added", "removed"):
        assert (leader.sum("bwvisu_gateway_changes_total", gateway=gateway, change=change) or 0) >= 1
    assert leader.sum("bwvisu_gateway_drift_repaired_total") == 0
    assert (leader.sum("bwvisu_probes_total", gateway=gateway, result="good") or 0) >= 2
    assert leader.sum("bwvisu_squeue_looks_total", result="complete")
    for name in ("bwvisu_squeue_age_seconds", "bwvisu_gateway_sync_lag_seconds"):
        assert (leader.sum(name, cluster="main") or 0) < 300
    assert leader.sum("bwvisu_loop_passes_total", result="defect") == 0
    assert leader.sum("bwvisu_ssh_calls_total", cluster="main", result="completed")
    assert leader.sum("bwvisu_etcd_requests_total", call="commit", result="done")
    assert keyhole.sum("bwvisu_keyhole_requests_total", call="/keyhole/v1/jobs/{job_id}/forwards", status="200")
    for scraped in (leader, keyhole):
        assert job_id not in scraped.text
        assert "alice" not in scraped.text


def followed(service: LocalService, job_id: str) -> None:
    """One request id leads from the call that made the job through the leader's steps."""
    lines = [
        json.loads(line) for line in (service.folder / "all.log").read_text().splitlines() if f'"{job_id}"' in line
    ]
    audited = [line for line in lines if line["event"] == "audit"]
    made = [line["request"] for line in audited if line["action"] == "createJob"]
    assert {line["request"] for line in audited if line["action"] in {"createJob", "moveJob", "grantPorts"}} == set(
        made
    )
    assert len(made) == 1
    assert len(made[0]) == 32


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
