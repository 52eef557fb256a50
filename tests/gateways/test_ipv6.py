"""A page that is reached over IPv6 from outside, through a gateway that leads to a compute node over IPv6."""

from pathlib import Path
from typing import Any

import pytest

from bwvisu.cli.local import install_terminal, until
from bwvisu.sandbox import Options, Sandbox
from tests.support.world import QUARANTINE, Person, etcd_keys, fetch, leave_whole, service_in


@pytest.fixture
def box(spare: str) -> Sandbox:
    return Sandbox.up(Options(name=spare, ipv6=True), say=print)


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_a_job_from_post_to_a_page_to_nothing_over_ipv6(box: Sandbox, tmp_path: Path, backend: str) -> None:
    with (
        service_in(box, tmp_path, {"forwards": {"backend": backend}, "gateways": over_ipv6(box)}) as service,
        service.client() as client,
    ):
        service.start()
        service.wait_until_ready(120)
        alice = Person(client)
        job = alice.wait(alice.submit(text="sixth sense", minutes=5), "available")
        (web,) = job["services"]
        host = web["gateway"].removesuffix("-ipv6")
        assert web["external_host"] == box.addresses6[host].outer
        url = alice.access(job["id"])["url"]
        assert url.startswith(f"http://[{web['external_host']}]:{web['external_port']}")
        assert "sixth sense" in fetch(box, url)
        target = box.addresses6[job["slurm"]["nodes"][0]].inner
        assert target
        assert target in rules(box, host)
        assert not rules(box, host, family="ip")
        alice.cancel(job["id"])
        alice.wait(job["id"], "finished")
        until(lambda: not fetch(box, url, seconds=1), 60, "nobody answers at the old address")
        until(lambda: not etcd_keys(service, "forwards"), QUARANTINE + 60, "the ports are free again")


def test_shipped_applications_listen_where_the_gateway_leads(box: Sandbox, tmp_path: Path) -> None:
    install_terminal()
    with service_in(box, tmp_path, {"gateways": over_ipv6(box)}) as service, service.client() as client:
        service.start()
        service.wait_until_ready(120)
        alice = Person(client)
        jobs = {name: alice.submit(name, minutes=5) for name in ("terminal", "xpra", "desktop")}
        for name, job_id in jobs.items():
            alice.wait(job_id, "available")
            assert "<!doctype html>" in fetch(box, alice.access(job_id)["url"].partition("#")[0]).lower(), name
        leave_whole(service, client)


def test_one_host_is_a_gateway_of_both_families(box: Sandbox, tmp_path: Path) -> None:
    both = [each for each in box.settings()["clusters"]["main"]["gateways"] if each["name"].startswith("gw1")]  # type: ignore[index]
    with service_in(box, tmp_path, {"gateways": both}) as service, service.client() as client:
        service.start()
        service.wait_until_ready(120)
        alice = Person(client)
        jobs = [alice.wait(job_id, "available") for job_id in [alice.submit(minutes=5) for _ in range(4)]]
        ways = {job["services"][0]["gateway"]: alice.access(job["id"])["url"] for job in jobs}
        assert set(ways) == {"gw1", "gw1-ipv6"}
        assert all("bwVisu test page" in fetch(box, url) for url in ways.values())
        leave_whole(service, client)


def over_ipv6(box: Sandbox) -> list[dict[str, Any]]:
    """Its gateways as they are reached over IPv6."""
    gateways = box.settings()["clusters"]["main"]["gateways"]  # type: ignore[index]
    return [each for each in gateways if each["name"].endswith("-ipv6")]


def rules(box: Sandbox, gateway: str, family: str = "ip6") -> str:
    """What leads from our ports to compute nodes, in one family, by whichever filter."""
    shown = [box.run(gateway, ["nft", "list", "table", family, name]).stdout for name in tables(box, gateway, family)]
    lines = [line for text in shown for line in text.splitlines()]
    return "\n".join(line for line in lines if "elements" in line or "dnat to" in line)


def tables(box: Sandbox, gateway: str, family: str) -> list[str]:
    """Names of the family's tables."""
    listed = box.run(gateway, ["nft", "list", "tables", family]).stdout
    return [line.split()[2] for line in listed.splitlines()]
