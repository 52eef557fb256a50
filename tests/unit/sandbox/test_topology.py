"""Names and addresses of an instance."""

from itertools import combinations

import pytest

from bwvisu.sandbox.topology import INSTANCES, MIDDLEWARE, Kind, Leg, Options, Topology

LAST = Topology(INSTANCES - 1, Options())


def test_no_network_of_any_two_instances_overlaps() -> None:
    networks = [Topology(number, Options()).network(leg) for number in (0, 1, INSTANCES - 1) for leg in Leg]
    assert not [pair for pair in combinations(networks, 2) if pair[0].overlaps(pair[1])]


def test_every_address_lies_in_its_network_and_is_unique() -> None:
    legs = [(leg, address) for host in LAST.addresses.values() for leg, address in host.legs()]
    assert all(LAST.network(leg).supernet_of(type(LAST.network(leg))(f"{address}/32")) for leg, address in legs)
    assert len({address for _, address in legs}) == len(legs)


@pytest.mark.parametrize(
    ("host", "legs"),
    [
        ("ctl", {Leg.INNER}),
        ("cmd2", {Leg.INNER}),
        ("gw1", {Leg.INNER, Leg.OUTER, Leg.FABRIC}),
        ("node3", {Leg.INNER, Leg.FABRIC}),
        ("outside", {Leg.OUTER}),
        (MIDDLEWARE, {Leg.INNER, Leg.OUTER}),
    ],
)
def test_who_is_in_which_network(host: str, legs: set[Leg]) -> None:
    assert {leg for leg, _ in LAST.addresses[host].legs()} == legs


def test_interface_names_fit_into_the_kernels_15_characters() -> None:
    ports = [LAST.port(name, leg) for name, address in LAST.addresses.items() for leg, _ in address.legs()]
    assert max(map(len, [*ports, *(LAST.machine_link(leg) for leg in Leg)])) <= 15
    assert len(set(ports)) == len(ports)


@pytest.mark.parametrize("members", [1, 3])
def test_etcd_members_listen_on_loopback_addresses_of_their_own(members: int) -> None:
    topology = Topology(7, Options(etcd=members))
    addresses = {topology.etcd_address(host.name) for host in topology.of_kind(Kind.ETCD)}
    assert len(addresses) == members
    assert all(address.is_loopback for address in addresses)


@pytest.mark.parametrize("name", ["", "Upper", "../../etc", "a b", "-x", "a" * 32])
def test_a_name_that_is_no_plain_word_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="sandbox name"):
        Options(name=name)


def test_etcd_wants_one_or_three_members() -> None:
    with pytest.raises(ValueError, match="1 or 3"):
        Options(etcd=2)
