"""Admissions and shares by the REST API, held to what two real addresses outside meet at the gateway."""

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import httpx2
import pytest

from bwvisu.cli.local import LocalService, until
from bwvisu.sandbox import Sandbox
from tests.gateways.test_admissions import Caller, clients, flows_of
from tests.support.world import Person, leave_whole, service_in

__all__ = ["clients"]


@pytest.fixture
def service(sandbox: Sandbox, tmp_path: Path) -> Iterator[LocalService]:
    networks_too = {"admission": "owner-address", "admissions": {"ipv4_prefix": 24}}
    with service_in(sandbox, tmp_path, {"forwards": networks_too}) as service:
        service.start()
        service.wait_until_ready(120)
        yield service


def post(client: httpx2.Client, path: str, **body: object) -> dict[str, str]:
    answer = client.post(f"/api/v1{path}", json=body)
    assert answer.status_code in {200, 201}, answer.text
    made: dict[str, str] = answer.json()
    return made


def test_an_admitted_address_comes_in_and_a_guest_goes_with_the_share(
    service: LocalService, sandbox: Sandbox, clients: tuple[str, str]
) -> None:
    owner, guest = clients
    with service.client() as client:
        alice = Person(client)
        job = alice.wait(alice.submit(minutes=5), "available")
        (web,) = job["services"]

        def met(source: str) -> str:
            caller = Caller(sandbox, web, source)
            heard = caller.asks() if caller.met == "in" else caller.met
            caller.ends()
            return heard

        path = f"/jobs/{job['id']}"
        assert client.get(f"/api/v1{path}/access", params={"address": owner}).json()["admission"] == "needed"
        assert met(owner) == "silence"
        own = post(client, f"{path}/admissions", address=owner)
        until(lambda: met(owner) == "HTTP/1.0 200", 20, "the owner is admitted")
        assert met(guest) == "silence"

        link = post(client, f"{path}/shares")
        post(client, "/shares/redeem", token=link["token"], address=guest)
        until(lambda: met(guest) == "HTTP/1.0 200", 20, "the guest is admitted by the link")
        stays, goes = Caller(sandbox, web, owner), Caller(sandbox, web, guest)
        assert (stays.met, goes.met) == ("in", "in")
        client.delete(f"/api/v1{path}/shares/{link['id']}").raise_for_status()
        until(lambda: met(guest) == "silence", 20, "the guest is shut out")
        until(lambda: not flows_of(sandbox, web["gateway"], guest), 20, "what the guest had open is cut")
        assert (goes.asks(), stays.asks()) == ("silence", "HTTP/1.0 200")
        open_still = Caller(sandbox, web, owner)
        client.delete(f"/api/v1{path}/admissions/{own['id']}").raise_for_status()
        until(lambda: met(owner) == "silence", 20, "the owner has shut themselves out")
        until(lambda: not flows_of(sandbox, web["gateway"], owner), 20, "what the owner had open is cut")
        assert (open_still.met, open_still.asks()) == ("in", "silence")
        open_still.ends()
        for caller in (stays, goes):
            caller.ends()
        too_wide = client.post(f"/api/v1{path}/admissions", json={"address": f"{owner}/23"})
        assert too_wide.status_code == 422
        both = post(client, f"{path}/admissions", address=str(ip_network(f"{owner}/24", strict=False)))
        until(lambda: (met(owner), met(guest)) == ("HTTP/1.0 200",) * 2, 20, "their network is admitted")
        client.delete(f"/api/v1{path}/admissions/{both['id']}").raise_for_status()
        until(lambda: (met(owner), met(guest)) == ("silence",) * 2, 20, "their network is shut out")
        dead = client.post("/api/v1/shares/redeem", json={"token": link["token"], "address": guest})
        assert dead.status_code == 404
        leave_whole(service, client)
