"""Gateways reboot, vanish, are flushed: their rules are those of the books again.

Foreign rules stay as they are.  The person's jobs own a hundred ports each where half a table could be seen.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bwvisu.cli.local import shipped_applications, until
from bwvisu.sandbox import Sandbox
from tests.support.chaos import GATEWAYS, Scene, another, cut_off, gateway_of, grants, scene, throughout
from tests.support.world import forwards

TEMPLATES = Path(__file__).parent.parent / "support/templates"
PATIENCE = 60
"""Seconds until a gateway must have been looked at again, which happens every 5 s."""


@pytest.fixture(scope="module")
def world(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("gateways")
    bundles = folder / "bundles"
    bundles.mkdir()
    (bundles / "page").symlink_to(shipped_applications() / "page")
    (bundles / "ports").symlink_to(TEMPLATES / "ports")
    with scene(sandbox, folder, "all", applications={"path": str(bundles)}) as world:
        world.lead()
        yield world


def places(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Where a job is served; whether it was reached at the last probe is another question."""
    return [{key: each[key] for key in each if key.endswith(("_host", "_port"))} for each in job["services"]]


def test_fault_19_a_rebooted_gateway_gets_all_its_rules_at_once(world: Scene, sandbox: Sandbox) -> None:
    one, two = world.session("ports"), world.session("ports")
    gateway = gateway_of(one)
    assert gateway_of(two) == another(gateway)
    sandbox.reboot(gateway)
    until(lambda: forwards(sandbox, gateway), PATIENCE, "the first rules are back")
    assert len(forwards(sandbox, gateway)) == 100, "one transaction"
    assert world.usable(one)
    assert world.usable(two)
    world.in_order(one, two)
    assert places(world.alice.job(one["id"])) == places(one)
    world.end(one["id"], two["id"])


def test_fault_20_a_lost_gateway_gets_nothing_new_and_loses_its_stale_rules_first_on_its_return(
    world: Scene, sandbox: Sandbox
) -> None:
    """What lives on it moves (`test_moves.py`); what ended meanwhile waits for it."""
    stale, kept = world.session(), world.session()
    gateway = gateway_of(stale)
    port = stale["services"][0]["external_port"]
    with cut_off(sandbox, gateway, "inner"):
        world.alice.cancel(stale["id"])
        world.alice.wait(stale["id"], "finished")
        late = [world.session(), world.session()]
        assert {gateway_of(job) for job in (kept, *late)} == {another(gateway)}
        # Three quarantines later the port is still owned: its rule may still be there.
        throughout(3 * 2, lambda: port in forwards(sandbox, gateway), "the lost gateway has its old rule")
        assert [grant["phase"] for grant in grants(world.service) if grant["gateway"] == gateway] == ["closing"]
    until(lambda: not forwards(sandbox, gateway), PATIENCE, "the stale rule is gone")
    new = world.session()
    assert gateway_of(new) == gateway, "the one with the fewest forwards"
    world.in_order(kept, *late, new)
    world.end(kept["id"], new["id"], *(job["id"] for job in late))


SITE = """
flush ruleset
table ip site { chain input { type filter hook input priority filter; policy accept; tcp dport 25 drop; }; }
"""
"""What a site's own firewall does when it is loaded anew."""
RIVAL = "-t nat -A PREROUTING -p tcp --dport 50500:50509 -j DNAT --to-destination 192.0.2.7:80"
"""A rule of somebody else's on ports of ours."""


def test_fault_21_a_firewall_that_reloads_is_repaired_around_and_its_own_rules_stay(
    world: Scene, sandbox: Sandbox
) -> None:
    jobs = [world.session("ports"), world.session()]
    gateway = gateway_of(jobs[0])
    # It takes all our rules away; the leader may have brought them back before anybody could see that.
    assert sandbox.run(gateway, ["nft", "-f", "-"], input=SITE).returncode == 0
    assert sandbox.run(gateway, ["iptables", *RIVAL.split()]).returncode == 0
    before = foreign(sandbox, gateway)
    assert all(word in before for word in ("192.0.2.7", "dport 25 drop"))
    try:
        until(lambda: world.in_step(*GATEWAYS), PATIENCE, "the rules are back")
        assert all(map(world.usable, jobs))
        until(lambda: "50500" in shown(world, gateway), PATIENCE, "the conflict is told")
        world.end(*(job["id"] for job in jobs))
        assert foreign(sandbox, gateway) == before
    finally:
        sandbox.run(gateway, ["nft", "flush", "ruleset"])


def foreign(box: Sandbox, gateway: str) -> str:
    """Every table of a gateway that is not ours, without packet counters."""
    tables = box.run(gateway, ["nft", "list", "tables"]).stdout.splitlines()
    listings = [box.run(gateway, ["nft", "--stateless", "list", *each.split()]).stdout for each in sorted(tables)]
    return "\n".join(text for text in listings if "map forwards" not in text)


def test_fault_21_a_flushed_gateway_is_repaired(world: Scene, sandbox: Sandbox) -> None:
    jobs = [world.session("ports"), world.session("ports")]
    for gateway in GATEWAYS:
        assert sandbox.run(gateway, ["nft", "flush", "ruleset"]).returncode == 0
    for gateway in GATEWAYS:
        until(lambda: forwards(sandbox, gateway), PATIENCE, "the first rules are back")  # noqa: B023
    assert [len(forwards(sandbox, gateway)) for gateway in GATEWAYS] == [100, 100], "one transaction"
    world.in_order(*jobs)
    assert all(map(world.usable, jobs))
    world.end(*(job["id"] for job in jobs))


def shown(world: Scene, gateway: str) -> str:
    """What the API says of a gateway."""
    gateways = world.alice.client.get("/api/v1/clusters/main").json()["gateways"]
    return next(str(each["detail"]) for each in gateways if each["name"] == gateway)


def test_a_drained_gateway_keeps_what_it_carries_and_takes_nothing_new(world: Scene) -> None:
    old = world.session()
    gateway = gateway_of(old)
    address = f"/api/v1/clusters/main/gateways/{gateway}/drain"
    world.alice.client.put(address).raise_for_status()
    until(lambda: drained(world) == {gateway: True, another(gateway): False}, PATIENCE, "it is drained")
    new = [world.session() for _ in range(2)]
    assert {gateway_of(job) for job in new} == {another(gateway)}
    assert world.usable(old)
    world.alice.client.delete(address).raise_for_status()
    until(lambda: not any(drained(world).values()), PATIENCE, "it is taken back")
    back = world.session()
    assert gateway_of(back) == gateway
    world.end(old["id"], back["id"], *(job["id"] for job in new))


def drained(world: Scene) -> dict[str, bool]:
    """Which gateways the leader takes for drained."""
    gateways = world.alice.client.get("/api/v1/clusters/main").json()["gateways"]
    return {each["name"]: each["drained"] for each in gateways}
