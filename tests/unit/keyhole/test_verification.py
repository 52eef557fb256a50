"""A request is served only where the scheduler shows that it is the job's own."""

from dataclasses import replace
from ipaddress import IPv6Network

import pytest

from keyhole.domain import ForwardPolicy, PortRequest, Refusal, Run, Tenancy
from keyhole.verification import Verified, Waiting, addresses_of, allowed, verify
from tests.support.keyhole import POLICY, request, tenancy

RESTARTED = Run(1, 1)


def test_the_job_s_own_request_is_verified_with_all_hosts_that_slurm_shows() -> None:
    asked = request(hosts=["node1"])
    assert verify(asked, tenancy(hosts=["node1", "node2"]), POLICY) == Verified(asked, ("node1", "node2"))


@pytest.mark.parametrize(
    ("asked", "shown", "code"),
    [
        (request(), tenancy(RESTARTED), "superseded"),
        (request(), tenancy(Run(2, 0)), "superseded"),
        (request(), tenancy(wanted=False), "not-wanted"),
        (request(), tenancy(slurm_job_id=4712), "foreign-job"),
        (request(hosts=["node2"]), tenancy(), "foreign-host"),
        (request(hosts=["node2", "node1"]), tenancy(hosts=["node1", "node2"]), "foreign-host"),
        (request(hosts=["node1", "login"]), tenancy(hosts=["node1", "node2"]), "foreign-host"),
        (request(hosts=[]), tenancy(), "foreign-host"),
        (request(hosts=["-oX"]), tenancy(hosts=["-oX"]), "foreign-host"),
        (request(hosts=["a b"]), tenancy(hosts=["a b"]), "foreign-host"),
        (request(ports=101), tenancy(), "too-many-ports"),
        (request(ports=0), tenancy(), "too-many-ports"),
    ],
)
def test_what_is_not_the_job_s_is_refused_for_good(asked: PortRequest, shown: Tenancy, code: str) -> None:
    verdict = verify(asked, shown, POLICY)
    assert isinstance(verdict, Refusal)
    assert (verdict.code, verdict.final) == (code, True)


@pytest.mark.parametrize(
    ("asked", "shown", "code"),
    [
        (request(run=RESTARTED), tenancy(), "run-unknown"),
        (request(), tenancy(slurm_job_id=None), "hosts-unknown"),
        (request(), tenancy(hosts=[]), "hosts-unknown"),
    ],
)
def test_what_slurm_does_not_show_yet_waits(asked: PortRequest, shown: Tenancy, code: str) -> None:
    verdict = verify(asked, shown, POLICY)
    assert isinstance(verdict, Waiting)
    assert verdict.code == code


@pytest.mark.parametrize(
    "address",
    ["10.78.0.1", "127.0.0.1", "169.254.1.1", "224.0.0.1", "::1", "fe80::1", "10.77.0.9", "", "node1"],
)
def test_addresses_elsewhere_are_never_targets(address: str) -> None:
    policy = replace(POLICY, own_addresses=frozenset({"10.77.0.9"}))
    assert not allowed(address, policy, 4)


def test_loopback_is_no_target_even_where_the_networks_hold_it() -> None:
    policy = ForwardPolicy(compute_networks=tuple(map(type(POLICY.compute_networks[0]), ("0.0.0.0/0",))))
    assert allowed("10.1.2.3", policy, 4)
    assert not allowed("127.0.0.1", policy, 4)


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        ("fd77::101", True),
        ("10.77.0.101", False),
        ("fd78::101", False),
        ("fd77:0::101", False),
        ("::1", False),
        ("fe80::1", False),
        ("::ffff:10.77.0.101", False),
    ],
)
def test_a_gateway_leads_to_addresses_of_its_own_family(address: str, fits: bool) -> None:
    networks = (*POLICY.compute_networks, IPv6Network("fd77::/64"), IPv6Network("::/112"), IPv6Network("fe80::/64"))
    assert allowed(address, replace(POLICY, compute_networks=networks), 6) is fits


def test_the_suffix_decides_which_address_is_taken() -> None:
    names = {"node1": ("10.1.1.1",), "node1-ib0": ("10.1.1.1", "10.77.0.101")}
    assert addresses_of(["node1"], names, replace(POLICY, hostname_suffix="-ib0"), 4) == {"node1": "10.77.0.101"}


def test_an_unknown_name_waits_and_an_address_elsewhere_is_refused() -> None:
    assert isinstance(addresses_of(["node1", "node2"], {"node1": ["10.77.0.101"]}, POLICY, 4), Waiting)
    refused = addresses_of(["node1"], {"node1": ["8.8.8.8"]}, POLICY, 4)
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.final) == ("address-not-allowed", True)
