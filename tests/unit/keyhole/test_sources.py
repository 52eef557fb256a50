"""Who passes: networks as they were written become sources that are equal where their addresses are."""

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhole.domain import Network, network, sources
from keyhole.nat.model import Change, Passage, Target, Translation, ended, narrows, trespassing

TARGET = Target("10.77.0.101", 50001)
FIRST, SECOND = network("203.0.113.5"), network("203.0.113.6")
networks = st.builds(
    lambda number, length: IPv4Network(((203 << 24) + number * 64, length), strict=False),
    st.integers(0, 15),
    st.integers(24, 32),
)


def way(*admitted: Network) -> Translation:
    return Translation(*TARGET, frozenset(admitted))


@given(st.lists(networks))
def test_they_are_disjoint_and_cover_what_was_written(written: list[IPv4Network]) -> None:
    found = sources(written, 4)
    assert found is not None
    assert sources(found, 4) == found
    assert not any(a != b and a.overlaps(b) for a in found for b in found)
    assert all(any(each.subnet_of(one) for one in found if isinstance(one, IPv4Network)) for each in written)


def test_only_the_gateway_s_family_counts_and_all_addresses_are_everybody() -> None:
    mixed = [network("203.0.113.5"), network("2001:db8::/64")]
    assert sources(mixed, 4) == frozenset([network("203.0.113.5/32")])
    assert sources(mixed, 6) == frozenset([network("2001:db8::/64")])
    assert sources([network("0.0.0.0/0")], 4) is None
    assert sources([network("::/0")], 4) == frozenset()


@pytest.mark.parametrize(
    ("before", "after", "narrower"),
    [
        (way(), way(FIRST), False),
        (way(FIRST), way(FIRST, SECOND), False),
        (way(FIRST, SECOND), way(FIRST), True),
        (Translation(*TARGET), way(FIRST), True),
        (way(FIRST), Translation(*TARGET), False),
        (way(FIRST), Translation("10.77.0.102", 1, frozenset()), False),
    ],
)
def test_it_is_known_when_somebody_is_shut_out(before: Translation, after: Translation, narrower: bool) -> None:
    assert narrows({50001: before}, {50001: after}) is narrower
    assert narrows({}, {50001: after}) is False


def test_exactly_those_are_cut_who_would_not_come_in_now() -> None:
    inside = frozenset(
        Passage(port, source, TARGET) for port in (50001, 50002) for source in ("203.0.113.5", "192.0.2.1")
    )
    elsewhere = Passage(50001, "192.0.2.1", Target("10.77.0.102", 50001))
    desired = {50001: way(FIRST)}
    assert trespassing(inside | {elsewhere}, desired) == [Passage(50001, "192.0.2.1", TARGET)]
    assert trespassing(inside, {50001: Translation(*TARGET)}) == []
    change = Change(add=desired, remove={50001: way(SECOND), 50002: way(FIRST)}, whole=False)
    assert ended(change, desired) == {50002: way(FIRST)}
