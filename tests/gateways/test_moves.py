"""Fault 20 on a real cluster: gateways are powered off, frozen, vacated; what they carried goes on elsewhere.

Deadlines are those of a real site (only ports rest for a shorter time), so that the half minute is that of a real site.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from bwvisu.cli.local import until
from bwvisu.sandbox import Sandbox
from bwvisu.settings.cluster import ForwardSettings, SshSettings
from tests.support.chaos import (
    Scene,
    another,
    gateway_of,
    grants,
    paused,
    processes,
    scene,
    stopped,
    throughout,
    viewer,
)
from tests.support.world import address, fetch, forwards, slurm_jobs

MOVED = 30
"""Seconds from the loss of a gateway until its pages are reachable again."""
BACK = 60
PATIENT = {
    "ssh": {
        name: SshSettings.model_fields[name].default
        for name in ("connect_timeout", "keepalive_interval", "keepalive_count", "backoff_first", "backoff_limit")
    },
    "forwards": {"move_after": ForwardSettings().move_after},
}
FOREIGN = (
    "table ip site { chain input { type filter hook input priority filter; policy accept; tcp dport 25 drop; }; }",
    "add table ip theirs",
    "add chain ip theirs pre { type nat hook prerouting priority dstnat; }",
    "add rule ip theirs pre tcp dport 40500 dnat to 192.0.2.7:80",
)
"""A site's firewall, and somebody else's forwards."""


@pytest.fixture(scope="module")
def world(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(sandbox, tmp_path_factory.mktemp("moves"), "all", cluster=PATIENT) as world:
        world.lead()
        yield world


@pytest.fixture
def foreign(sandbox: Sandbox) -> Iterator[dict[str, str]]:
    """What others have on both gateways; the same at the end, except on one that has lost its power."""
    for gateway in ("gw1", "gw2"):
        loaded = sandbox.run(gateway, ["nft", "-f", "-"], input="\n".join(FOREIGN))
        assert loaded.returncode == 0, loaded.stderr
    before = {gateway: others(sandbox, gateway) for gateway in ("gw1", "gw2")}
    try:
        yield before
        assert {gateway: others(sandbox, gateway) for gateway in before} == before
    finally:
        for gateway in before:
            for table in ("site", "theirs"):
                sandbox.run(gateway, ["nft", "delete", "table", "ip", table])


def others(box: Sandbox, gateway: str) -> str:
    """A gateway's tables that are not ours."""
    shown = [box.run(gateway, ["nft", "--stateless", "list", "table", "ip", name]) for name in ("site", "theirs")]
    return "".join(each.stdout for each in shown)


def at(world: Scene, job_id: str, gateway: str) -> bool:
    """Whether the API shows the job at this gateway, and somebody outside reaches its page there."""
    job = world.alice.job(job_id)
    return bool(job["state"] == "available" and gateway_of(job) == gateway and world.usable(job))


def of(box: Sandbox, job: dict[str, Any]) -> tuple[list[dict[str, str]], list[str]]:
    """A job's life on the cluster: its Slurm job, and the processes of its page."""
    return slurm_jobs(box, job["id"]), processes(box, job["slurm"]["nodes"][0], "http.server|page")


def test_fault_20_a_gateway_is_powered_off_and_its_page_is_reachable_through_the_other_one(
    world: Scene, sandbox: Sandbox, foreign: dict[str, str]
) -> None:
    job = world.session()
    gone, kept = gateway_of(job), another(gateway_of(job))
    before = of(sandbox, job)
    with stopped(sandbox, gone):
        until(lambda: at(world, job["id"], kept), MOVED, "the page is there again")
        assert of(sandbox, job) == before
        assert world.alice.job(job["id"])["moved_at"] is not None
        assert others(sandbox, kept) == foreign[kept]
        new = world.session()
        assert gateway_of(new) == kept
    foreign[gone] = others(sandbox, gone)  # a reboot leaves nothing, of anybody
    until(lambda: reachable(world) == {"gw1": True, "gw2": True}, BACK, "it is there again")
    assert at(world, job["id"], kept), "nothing moves back"
    late = world.session()
    assert gateway_of(late) == gone, "the one with the fewest forwards"
    world.in_order(job, new, late)
    world.end(job["id"], new["id"], late["id"])


def reachable(world: Scene) -> dict[str, bool]:
    """Which gateways the leader reaches."""
    shown = world.alice.client.get("/api/v1/clusters/main").json()["gateways"]
    return {each["name"]: each["reachable"] for each in shown}


def test_fault_20_a_gateway_returns_with_its_old_rules_and_they_go_before_anything_else(
    world: Scene, sandbox: Sandbox, foreign: dict[str, str]
) -> None:
    """It is frozen: nobody can manage it, and its kernel forwards as before."""
    job = world.session()
    gone, kept = gateway_of(job), another(gateway_of(job))
    before, stale = of(sandbox, job), forwards(sandbox, gone)
    with viewer(sandbox, job) as watching:
        with paused(sandbox, gone):
            until(lambda: at(world, job["id"], kept), MOVED, "the page is there again")
            assert of(sandbox, job) == before
            throughout(3, lambda: forwards(sandbox, gone) == stale and watching(), "the old way is still open")
            assert others(sandbox, kept) == foreign[kept]
        seen = [stale]

        def stale_is_gone() -> bool:
            seen.append(forwards(sandbox, gone))
            return not seen[-1]

        until(stale_is_gone, BACK, "the stale rule is gone")
        assert all(each in (stale, {}) for each in seen), "nothing came before"
        until(lambda: not watching(), BACK, "who came by it is cut off")
    until(lambda: [each["gateway"] for each in grants(world.service)] == [kept], BACK, "its port is free")
    assert at(world, job["id"], kept), "nothing moves back"
    late = world.session()
    assert gateway_of(late) == gone
    world.in_order(job, late)
    world.end(job["id"], late["id"])


def test_a_gateway_that_is_vacated_loses_what_it_carries_to_the_other_one(
    world: Scene, sandbox: Sandbox, foreign: dict[str, str]
) -> None:
    jobs = [world.session() for _ in range(4)]
    leaving, kept = gateway_of(jobs[0]), another(gateway_of(jobs[0]))
    assert {gateway_of(job) for job in jobs} == {leaving, kept}
    before = [of(sandbox, job) for job in jobs]
    order = f"/api/v1/clusters/main/gateways/{leaving}/drain"
    with viewer(sandbox, jobs[0]) as watching:
        answer = world.alice.client.put(order, params={"move": True}).raise_for_status().json()
        shown = next(each for each in answer["gateways"] if each["name"] == leaving)
        assert (shown["drained"], shown["vacated"]) == (True, True)
        until(lambda: all(at(world, job["id"], kept) for job in jobs), MOVED, "all pages are there again")
        until(lambda: not watching(), MOVED, "who came by the old way is cut off")
    assert not forwards(sandbox, leaving)
    assert [of(sandbox, job) for job in jobs] == before
    assert {gateway: others(sandbox, gateway) for gateway in foreign} == foreign
    world.alice.client.delete(order).raise_for_status()
    late = world.session()
    assert gateway_of(late) == leaving
    assert all(at(world, job["id"], kept) for job in jobs), "nothing moves back"
    old = {address(job) for job in jobs if gateway_of(job) == leaving} - {address(late)}
    assert old
    assert not any(fetch(sandbox, each, seconds=3) for each in old), "the old addresses lead nowhere"
    world.in_order(*jobs, late)
    world.end(late["id"], *(job["id"] for job in jobs))
