"""The proxy's driver: what HAProxy prints of its map is what was rendered, and nothing strange passes either way."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhole.activity import Instant
from keyhole.activity import look as fold
from keyhole.domain import Fence
from keyhole.gateway import Guard, Traffic, Unanswered, load, look, read_look, read_traffic
from keyhole.interfaces import Answer, NoAnswer
from keyhole.nat.choice import DRIVERS, choose, listed, others
from keyhole.nat.model import Actual, Change, Listing, Table, Target, Translation, difference
from keyhole.proxy_scripts import LOAD_PROXY
from tests.support.keyhole import GATEWAY
from tests.unit.keyhole.nat.test_drivers import FRAME, LISTING, NOTHING

PROXY = DRIVERS["proxy"]
SHOWN = """\
0x7fc2880465b0 01jd-50001.gw1.viz.example.org 50001/10.77.0.101/50001
0x7fc2880466e0 50002 50002/10.77.0.102/50900
"""
"""``show map`` of HAProxy 2.6.12."""
TABLE: Table = {
    50001: Translation("10.77.0.101", 50001, name="01jd-50001.gw1.viz.example.org"),
    50002: Translation("10.77.0.102", 50900),
}
TRAFFIC = """\
# table: bwv-abc123, type: integer, size:20480, used:2
0x55f1e534f198: key=50001 use=0 exp=86398718 conn_cnt=5 conn_cur=2 bytes_in_cnt=1661 bytes_out_cnt=1440
0x7fc28804e1e8: key=50002 use=0 exp=86398775 conn_cnt=1 conn_cur=0 bytes_in_cnt=368 bytes_out_cnt=209
"""


def parsed(shown: str | None) -> Actual:
    return PROXY.parse(NOTHING._replace(proxy=shown), FRAME)


def said(text: str) -> Answer:
    return Answer(0, f"{text}\nEND ok\n".encode(), b"")


def test_what_haproxy_prints_is_what_was_rendered() -> None:
    actual = parsed(SHOWN)
    assert (actual.forwards, actual.intact, actual.present) == (TABLE, True, True)
    assert not difference(actual, TABLE).needed


def test_an_empty_map_is_whole_and_holds_nothing() -> None:
    assert parsed("\n") == Actual(intact=True)
    assert not difference(parsed(""), {}).needed
    assert parsed(None) == Actual()


@pytest.mark.parametrize(
    "line",
    [
        "0x1 50001 50001/10.77.0.101/50001",
        "0x1 other.viz.example.org 50001/10.77.0.101/50001",
        "0x1 01jd-50001.gw1.viz.example.org 50003/10.77.0.101/50001",
        "0x1 a 50003/10.77.0.300/1",
        "0x1 a 50003/10.77.0.3/0",
        "0x1 a 50003/10.77.0.3",
        "0x1 A 50003/10.77.0.3/1",
        "0x1 a",
        "rubbish",
    ],
)
def test_an_entry_that_is_there_twice_or_not_understood_makes_it_load_the_whole(line: str) -> None:
    actual = parsed(f"{SHOWN}{line}\n")
    assert (actual.intact, actual.present) == (False, True)
    assert difference(actual, TABLE).whole


def test_another_name_for_the_same_target_is_a_change() -> None:
    renamed = {**TABLE, 50001: TABLE[50001]._replace(name="02jd-50001.gw1.viz.example.org")}
    change = difference(parsed(SHOWN), renamed)
    text = PROXY.render(FRAME, renamed, change, parsed(SHOWN))
    assert text.split("\n") == [
        "? 2",
        "-01jd-50001.gw1.viz.example.org 50001/10.77.0.101/50001",
        "+02jd-50001.gw1.viz.example.org 50001/10.77.0.101/50001",
    ]


def test_the_whole_is_everything_anew_and_removal_is_nothing_anew() -> None:
    whole = Change({}, {}, whole=True)
    assert PROXY.render(FRAME, TABLE, whole, Actual()).split("\n") == [
        "=",
        "+01jd-50001.gw1.viz.example.org 50001/10.77.0.101/50001",
        "+50002 50002/10.77.0.102/50900",
    ]
    assert PROXY.render_removal(FRAME, parsed(SHOWN)) == "="
    assert PROXY.render_removal(FRAME, parsed("")) == ""


@pytest.mark.parametrize(
    "target",
    [
        Translation("10.0.0.1 x", 1),
        Translation("node1", 1),
        Translation("10.0.0.1", 0),
        Translation("10.0.0.1", 1, name="a b"),
        Translation("10.0.0.1", 1, name="a\n=\n"),
        Translation("10.0.0.1", 1, name="A"),
    ],
)
def test_nothing_but_names_addresses_and_ports_is_ever_rendered(target: Translation) -> None:
    with pytest.raises(ValueError, match=r"."):
        PROXY.render(FRAME, {50001: target}, difference(Actual(), {50001: target}), Actual())


@given(st.text(max_size=200) | st.lists(st.sampled_from([*SHOWN.split("\n"), "0x1 a 1/1.2.3.4/5"])).map("\n".join))
def test_no_listing_raises_or_puts_a_word_of_its_own_into_a_load(shown: str) -> None:
    actual = parsed(shown)
    text = PROXY.render(FRAME, {}, Change({}, actual.forwards, whole=False), actual)
    allowed = re.compile(r"\? [0-9]+|-[a-z0-9.-]+ [0-9]+/[0-9.]+/[0-9]+")
    assert all(allowed.fullmatch(line) for line in text.split("\n"))


def test_it_serves_where_its_map_was_listed_and_the_others_go() -> None:
    assert choose("proxy", LISTING) is PROXY
    assert not listed(PROXY, LISTING)
    assert listed(PROXY, Listing(False, None, None, None, proxy=""))
    assert {each.backend for each in others(PROXY)} == {"nftables", "iptables"}


def test_its_calls_name_the_socket_and_its_map() -> None:
    guard = Guard(GATEWAY, "abc123", Fence(1, 7))
    guard = guard._replace(gateway=replace(GATEWAY, proxy_socket="/run/haproxy/s"))
    assert look(guard, "bwv-abc123").args[-4:] == ("bwv-abc123", "ip", "", "/run/haproxy/s")
    call = load(guard, "proxy", "=", [])
    assert (call.script, call.args[4:]) == (LOAD_PROXY, ("bwv-abc123", "1", "/run/haproxy/s"))


def test_a_gateway_with_nothing_but_a_proxy_can_be_looked_at() -> None:
    told = "== works 127\n\n== nft 127\n\n== nat 127\n\n== filter 127\n\n"
    assert isinstance(read_look(said(told)), Unanswered)
    assert read_look(said(f"{told}== proxy 1\n\n")) == read_look(said(told))
    listing = read_look(said(f"{told}== proxy 0\n{SHOWN}"))
    assert isinstance(listing, Listing)
    assert PROXY.parse(listing, FRAME).forwards == TABLE


def test_its_counters_are_read_by_external_port() -> None:
    assert read_traffic(said(TRAFFIC)) == {50001: Traffic(2, 1661, 1440), 50002: Traffic(0, 368, 209)}
    assert read_traffic(said("# table: bwv-abc123, type: integer, size:20480, used:0\nkey=1 rubbish")) == {}
    assert isinstance(read_traffic(NoAnswer("gone")), Unanswered)
    assert isinstance(read_traffic(Answer(0, TRAFFIC.encode(), b"")), Unanswered)


def test_an_open_connection_is_somebody_who_is_there_and_what_was_is_not() -> None:
    """Of a WebSocket that says nothing HAProxy sees no byte; one of a user who vanished it ends itself."""
    target = Target("10.77.0.101", 50001)
    use, active = None, []
    for second, counted in enumerate(
        [Traffic(0, 900, 90), Traffic(2, 900, 90), Traffic(0, 900, 90), Traffic(0, 999, 90)]
    ):
        at = Instant(float(second), datetime(2026, 11, 27, tzinfo=UTC))
        use = fold(use, counted.flows(target), at, counted=True)
        active.append((use.connections, use.active.clock if use.active else None))
    assert active == [(0, 0.0), (2, 1.0), (0, 1.0), (0, 3.0)]
    assert use is not None
    assert (use.totals.bytes_in, use.totals.bytes_out) == (999, 90)
