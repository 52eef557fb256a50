"""Addresses that people come from: what is read as what, and what nobody comes from."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwvisu.domain.origin import LENGTHS, network_of, plain_address

SINGLE = {4: 32, 6: 128}


@given(st.ip_addresses())
def test_an_address_is_admitted_as_itself_or_refused_with_a_sentence(address: object) -> None:
    try:
        network = network_of(str(address), SINGLE)
    except ValueError as error:
        said = str(error)
    else:
        said = "is one" if network.num_addresses == 1 and plain_address(str(address)) in network else "what?"
    assert said.startswith("is ")


@given(st.text(max_size=40), st.sampled_from([SINGLE, {4: 8, 6: 16}]))
def test_no_text_is_more_than_refused(text: str, widest: dict[int, int]) -> None:
    try:
        network = network_of(text, widest)
    except ValueError:
        return
    assert widest[network.version] <= network.prefixlen <= LENGTHS[network.version]


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        (" 192.0.2.7 ", "192.0.2.7/32"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("2001:DB8:0::7", "2001:db8::7/128"),
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("2001:db8::7/64", "2001:db8::/64"),
        ("10.0.0.0/8", "10.0.0.0/8"),
    ],
)
def test_what_is_written_in_many_ways_is_one_network(text: str, network: str) -> None:
    assert network_of(text, {4: 8, 6: 16}) == ip_network(network)


@pytest.mark.parametrize("text", ["", "x", "192.0.2", "192.0.2.7/", "192.0.2.07", "1.2.3.4/0", "::/0", "::ffff:0:0/96"])
def test_what_cannot_be_admitted_anywhere(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|holds) "):
        network_of(text, {4: 8, 6: 16})


def test_a_connection_by_ipv4_is_one_whatever_the_socket_says() -> None:
    assert plain_address("::ffff:192.0.2.7") == ip_address("192.0.2.7")
    assert plain_address("testclient") is None
