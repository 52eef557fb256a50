"""Two clusters behind one API: each has its own nodes, gateways and limits, and a dead one harms nobody else."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bwvisu.cli.local import LocalService, merge, until
from bwvisu.sandbox import Options, Sandbox
from tests.support.chaos import SWIFT
from tests.support.cluster import remove
from tests.support.world import Person, address, etcd_keys, fetch, leave_whole, service_in, slurm_jobs

SECOND = {"limits": {"running_per_user": 1, "waiting_per_user": 1}}
NODES = ("cmd1", "cmd2", "gw1", "gw2", "ctl")


@dataclass(frozen=True)
class Clusters:
    """The service, both clusters, and alice."""

    service: LocalService
    boxes: dict[str, Sandbox]
    alice: Person

    def start(self, cluster: str) -> str:
        """A job there; its id."""
        answer = self.post(cluster)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def post(self, cluster: str) -> Any:
        """Ask for a job there."""
        return self.alice.client.post("/api/v1/jobs", json={"user": "alice", "application": "page", "cluster": cluster})

    def end(self, *job_ids: str) -> None:
        """Stop jobs and wait until they are over."""
        for job_id in job_ids:
            self.alice.cancel(job_id)
        for job_id in job_ids:
            self.alice.wait(job_id, "finished")

    def shown(self, cluster: str) -> dict[str, Any]:
        """The cluster as the API shows it."""
        return dict(self.alice.client.get(f"/api/v1/clusters/{cluster}").json())


@pytest.fixture(scope="module")
def second() -> Iterator[Sandbox]:
    name = f"test-{os.getpid()}-second"
    try:
        yield Sandbox.up(Options(name=name), say=print)
    finally:
        remove(name)


@pytest.fixture(scope="module")
def clusters(sandbox: Sandbox, second: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clusters]:
    folder = tmp_path_factory.mktemp("clusters")
    with service_in(sandbox, folder, cluster=SWIFT) as service:
        port = service.settings["keyhole"]["port"]
        theirs: Any = second.settings()
        other = merge(merge(theirs["clusters"]["main"], SWIFT), SECOND)
        reached = {
            name: {"keyhole_urls": [f"http://{box.middleware_address}:{port}"]}
            for name, box in (("main", sandbox), ("second", second))
        }
        service.configure({"keyhole": {"host": "0.0.0.0"}, "clusters": {"second": other}})  # noqa: S104
        service.configure({"clusters": reached})
        service.start()
        service.wait_until_ready(120)
        with service.client() as client:
            yield Clusters(service, {"main": sandbox, "second": second}, Person(client))
            leave_whole(service, client)


def test_a_job_runs_where_it_was_asked_to_and_is_reached_through_that_clusters_gateway(clusters: Clusters) -> None:
    jobs = {name: clusters.start(name) for name in clusters.boxes}
    for name, job_id in jobs.items():
        job = clusters.alice.wait(job_id, "available")
        assert job["cluster"] == name
        assert "<h1>" in fetch(clusters.boxes[name], address(job))
        found = {each: len(slurm_jobs(box, job_id)) for each, box in clusters.boxes.items()}
        assert found == {each: int(each == name) for each in clusters.boxes}
    listed = clusters.alice.client.get("/api/v1/jobs", params={"cluster": "second"}).json()["items"]
    assert [each["id"] for each in listed] == [jobs["second"]]
    clusters.end(*jobs.values())


def test_a_limit_holds_on_its_cluster_only_and_the_next_job_goes_when_one_ends(clusters: Clusters) -> None:
    first, waiting = clusters.start("second"), clusters.start("second")
    clusters.alice.wait(first, "available")
    until(lambda: (clusters.alice.job(waiting)["reason"] or {}).get("code") == "user-limit", 60, "the reason is told")
    assert clusters.alice.job(waiting)["state"] == "accepted"
    assert slurm_jobs(clusters.boxes["second"], waiting) == []
    refused = clusters.post("second")
    assert (refused.status_code, refused.json()["limit"]) == (409, {"used": 2, "allowed": 2})
    elsewhere = [clusters.start("main") for _ in range(3)]
    clusters.end(first)
    clusters.alice.wait(waiting, "available")
    clusters.end(waiting, *elsewhere)
    until(lambda: not etcd_keys(clusters.service, "quota"), 90, "all places are free again")


def test_a_dead_cluster_does_not_touch_the_other_and_finds_its_jobs_again(clusters: Clusters) -> None:
    stranded = clusters.start("second")
    before = clusters.alice.wait(stranded, "available")
    box = clusters.boxes["second"]
    for node in NODES:
        box.stop(node)
    try:
        until(
            lambda: not any(each["reachable"] for each in clusters.shown("second")["command_nodes"]), 120, "it is dead"
        )
        until(lambda: all(each["reachable"] for each in clusters.shown("main")["command_nodes"]), 60, "the other lives")
        job = clusters.alice.wait(clusters.start("main"), "available")
        assert "<h1>" in fetch(clusters.boxes["main"], address(job))
        clusters.end(job["id"])
        assert clusters.post("second").status_code == 201, "accepted: the job waits for its cluster"
        assert clusters.alice.job(stranded)["state"] in {"available", "running"}, "could not look is never gone"
    finally:
        for node in NODES:
            box.start(node)
    after = clusters.alice.wait(stranded, "available", 120)
    assert after["slurm"]["job_id"] == before["slurm"]["job_id"]
    waiting = clusters.alice.client.get("/api/v1/jobs", params={"cluster": "second", "state": "accepted"}).json()[
        "items"
    ]
    clusters.end(stranded, *(each["id"] for each in waiting))
