"""Rendering, parsing and difference, on what real filters printed (see ``recorded/``)."""

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhole.domain import network
from keyhole.nat.choice import DRIVERS, choose, others
from keyhole.nat.conflicts import conflicts
from keyhole.nat.model import Actual, Backend, Driver, Frame, Listing, Table, Translation, difference

RECORDED = Path(__file__).parent / "recorded"
LISTING = Listing(
    nft_works=True,
    nft=(RECORDED / "nft-1.0.6.json").read_text(),
    nat=(RECORDED / "iptables-1.8.9-nat.txt").read_text(),
    filter=(RECORDED / "iptables-1.8.9-filter.txt").read_text(),
)
NOTHING = Listing(True, None, None, None)
FRAME = Frame("abc123", 50000, 60000, (IPv4Network("10.77.0.0/24"), IPv4Network("10.79.0.0/24")))
TABLE: Table = {
    50001: Translation("10.77.0.101", 50001),
    50002: Translation("10.77.0.102", 50900, frozenset(map(network, ("203.0.113.5", "192.0.2.0/24")))),
    50003: Translation("10.77.0.102", 50003, frozenset()),
    60000: Translation("10.79.0.101", 60000),
}
FILTERS = [DRIVERS["nftables"], DRIVERS["iptables"]]
"""Packet filters; what a proxy does is in `test_proxy`."""
drivers = pytest.mark.parametrize("driver", FILTERS, ids=["nftables", "iptables"])
targets = st.builds(
    Translation, st.sampled_from(("10.77.0.101", "10.77.0.102")), st.integers(1, 65535), name=st.just("")
)
tables = st.dictionaries(st.integers(1, 65535), targets, max_size=200)


@drivers
def test_what_a_filter_prints_is_what_was_rendered(driver: Driver) -> None:
    actual = driver.parse(LISTING, FRAME)
    assert (actual.forwards, actual.intact, actual.present) == (TABLE, True, True)
    assert not difference(actual, TABLE).needed


@drivers
@pytest.mark.parametrize(
    "frame",
    [
        replace(FRAME, first_port=49999),
        replace(FRAME, last_port=60001),
        replace(FRAME, networks=FRAME.networks[:1]),
        FRAME.around({40000: Translation("10.77.0.101", 1)}),
    ],
)
def test_a_frame_of_other_settings_is_not_intact(driver: Driver, frame: Frame) -> None:
    actual = driver.parse(LISTING, frame)
    assert (actual.intact, actual.present) == (False, True)
    assert difference(actual, TABLE).whole


@drivers
def test_another_installation_s_objects_are_not_ours(driver: Driver) -> None:
    if driver.backend == "iptables":
        assert driver.parse(LISTING, replace(FRAME, installation="abc12")) == Actual()
    assert driver.parse(NOTHING, FRAME) == Actual()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-A bwv-abc123-pre -p tcp -m tcp --dport 50001", "-A bwv-abc123-pre -p tcp -m tcp --dport 50001:50002"),
        ("-A bwv-abc123-post -p tcp", "-A bwv-abc123-post -s 1.2.3.4/32 -j ACCEPT\n-A bwv-abc123-post -p tcp"),
        ("-A POSTROUTING -p tcp -m comment", "-A OUTPUT -p tcp -m comment"),
        ("-A bwv-abc123-pre -s 203.0.113.5/32 -p", "-A bwv-abc123-pre -p"),
        ("bwvisu:c7dfde0fab6e", "by hand"),
    ],
)
def test_a_changed_rule_of_ours_is_noticed(old: str, new: str) -> None:
    assert LISTING.nat is not None
    assert old in LISTING.nat
    changed = LISTING._replace(nat=LISTING.nat.replace(old, new))
    assert not DRIVERS["iptables"].parse(changed, FRAME).intact


@pytest.mark.parametrize("gone", ["-j bwv-abc123-pre", "-j bwv-abc123-post", ":bwv-abc123-post", "-j MASQUERADE"])
def test_a_missing_hook_chain_or_rule_is_noticed(gone: str) -> None:
    lines = [line for line in (LISTING.nat or "").splitlines() if gone not in line]
    actual = DRIVERS["iptables"].parse(LISTING._replace(nat="\n".join(lines)), FRAME)
    assert not actual.intact


def test_a_doubled_hook_is_noticed_and_both_are_replaced_by_one() -> None:
    hook = next(
        line for line in (LISTING.nat or "").splitlines() if line.startswith("-A PREROUTING -p tcp -m tcp --dport 5")
    )
    doubled = LISTING._replace(nat=(LISTING.nat or "").replace(hook, f"{hook}\n{hook}"))
    actual = DRIVERS["iptables"].parse(doubled, FRAME)
    text = DRIVERS["iptables"].render(FRAME, TABLE, difference(actual, TABLE), actual)
    assert not actual.intact
    assert text.count("-D PREROUTING") == 2
    assert text.count("-I PREROUTING") == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"nftables": 1}', '{"nftables": [{"map": {"elem": [[1]]}}]}', "\0"])
def test_a_table_that_cannot_be_read_is_loaded_anew(text: str) -> None:
    actual = DRIVERS["nftables"].parse(NOTHING._replace(nft=text), FRAME)
    assert actual.present
    assert difference(actual, TABLE).whole


@given(tables, tables)
def test_a_difference_is_exactly_what_is_missing_and_too_much(before: Table, after: Table) -> None:
    change = difference(Actual(before, intact=True, present=True), after)
    kept = {port: target for port, target in before.items() if port not in change.remove}
    assert kept | dict(change.add) == after
    assert change.needed == (before != after)


@pytest.mark.parametrize(
    ("forwards", "count"), [(100, 65), (100, 64), (10_000, 2_500), (10_000, 2_501), (0, 64), (0, 65)]
)
def test_many_changes_load_the_whole(forwards: int, count: int) -> None:
    table = {port: Translation("10.77.0.101", port) for port in range(1, forwards + 1)}
    more = {port: Translation("10.77.0.102", port) for port in range(20_000, 20_000 + count)}
    change = difference(Actual(table, intact=True, present=True), table | more)
    assert change.whole is (count > max(64, (forwards + count) // 4))


@drivers
@pytest.mark.parametrize(
    "way",
    [
        Translation("10.0.0.1; flush ruleset", 1),
        Translation("node1", 1),
        Translation("::1", 1),
        Translation("10.0.0.1", 0),
        Translation("10.0.0.1", 1, frozenset([network("2001:db8::1")])),
    ],
)
def test_nothing_but_addresses_and_ports_is_ever_rendered(driver: Driver, way: Translation) -> None:
    with pytest.raises(ValueError, match=r"."):
        driver.render(FRAME, {50001: way}, difference(Actual(), {50001: way}), Actual())


@pytest.mark.parametrize("installation", ["", "A", "a-b", "a b", "x" * 17, "a\n"])
def test_only_short_plain_ids_become_names(installation: str) -> None:
    with pytest.raises(ValueError, match="installation"):
        replace(FRAME, installation=installation)
    assert len(f"bwv-{'x' * 16}-post") <= 28


def test_foreign_rules_on_our_ports_are_told_and_our_own_are_not() -> None:
    assert [each[:2] for each in conflicts(LISTING, FRAME)] == [(55000, 55010)]
    assert not list(conflicts(LISTING, replace(FRAME, first_port=51000, last_port=54999)))
    stranger = replace(FRAME, installation="other")
    assert len(list(conflicts(LISTING, stranger))) == 1 + 1 + 2 + 1  # a rule per source; of 50003 none


@pytest.mark.parametrize(
    ("setting", "works", "chosen"),
    [
        ("auto", True, "nftables"),
        ("auto", False, "iptables"),
        ("iptables", True, "iptables"),
        ("nftables", False, "nftables"),
        ("proxy", True, "proxy"),
    ],
)
def test_the_driver_is_the_one_named_or_the_one_that_works(setting: Backend, works: bool, chosen: Backend) -> None:
    driver = choose(setting, NOTHING._replace(nft_works=works))
    assert driver.backend == chosen
    assert {driver.backend, *(each.backend for each in others(driver))} == set(DRIVERS)
