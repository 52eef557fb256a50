"""Both drivers against small models of the filters: whatever was there, one load makes it the desired set (I3)."""

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keyhole.domain import Fence, network
from keyhole.gateway import Guard, cuts_of, load
from keyhole.nat.choice import DRIVERS, others
from keyhole.nat.conflicts import conflicts
from keyhole.nat.model import Actual, Driver, Listing, Table, Translation, difference
from tests.support.effort import effort
from tests.support.keyhole import GATEWAY
from tests.unit.keyhole.nat.filters import FRAME, Filter, IptablesModel, NftModel, Rejected
from tests.unit.keyhole.nat.test_drivers import LISTING

FOREIGN = (
    "-A PREROUTING -p tcp -m tcp --dport 8080 -j REDIRECT --to-ports 80",
    "-A PREROUTING -p tcp -m tcp --dport 50007 -j DNAT --to-destination 192.0.2.1:1",
    "-A POSTROUTING -o eth0 -j MASQUERADE",
    "-A bwv-other-pre -p tcp -m tcp --dport 50001 -j DNAT --to-destination 10.77.0.9:1",
)
GUARD = Guard(GATEWAY, FRAME.installation, Fence(1, 7))
FILTERS = [DRIVERS["nftables"], DRIVERS["iptables"]]
"""Packet filters; what a proxy does is in `test_proxy`."""
drivers = pytest.mark.parametrize("driver", FILTERS, ids=["nftables", "iptables"])
sources = st.none() | st.frozensets(
    st.sampled_from(tuple(map(network, ("203.0.113.5", "203.0.113.6", "192.0.2.0/24")))), max_size=3
)
ways = st.builds(
    Translation, st.sampled_from(("10.77.0.101", "10.79.0.102")), st.integers(1, 65535), sources, st.just("")
)
tables = st.dictionaries(st.integers(50000, 50200), ways, max_size=120)


MODELS: dict[str, type[IptablesModel | NftModel]] = {"iptables": IptablesModel, "nftables": NftModel}


def sync(driver: Driver, model: Filter, desired: Table) -> Actual:
    """One pass as the reconciler makes it; what is there afterwards."""
    actual = driver.parse(model.listing(), FRAME)
    change = difference(actual, desired)
    if change.needed:
        model.load(driver.render(FRAME, desired, change, actual))
    return driver.parse(model.listing(), FRAME)


@drivers
@effort(0.6)
@given(
    st.lists(
        st.tuples(tables, st.none() | st.integers(0, 500), st.none() | st.sampled_from(FOREIGN)), min_size=1, max_size=5
    )
)
def test_whatever_happened_one_pass_makes_it_the_desired_set(
    driver: Driver, steps: list[tuple[dict[int, Translation], int | None, str | None]]
) -> None:
    """Faults 19 and 21: rules go missing, foreign ones appear; ours are repaired, theirs stay."""
    model = MODELS[driver.backend]()
    for desired, vandalism, stranger in steps:
        if vandalism is not None:
            model.vandalise(vandalism)
        if stranger is not None:
            model.add_foreign(stranger)
        foreign = model.foreign()
        actual = sync(driver, model, desired)
        assert (dict(actual.forwards), actual.intact, actual.present) == (desired, True, True)
        assert not difference(actual, desired).needed
        assert model.foreign() == foreign
    actual = driver.parse(model.listing(), FRAME)
    model.load(driver.render_removal(FRAME, actual))
    assert driver.parse(model.listing(), FRAME) == Actual()
    assert model.foreign() == foreign


@drivers
@effort(0.5)
@given(tables, tables, tables)
def test_a_change_against_an_outdated_picture_is_refused_or_right(
    driver: Driver, seen: dict[int, Translation], really: dict[int, Translation], desired: dict[int, Translation]
) -> None:
    """What the filter holds may have changed since the look: then a partial change fails as a whole or does no harm."""
    model = MODELS[driver.backend]()
    sync(driver, model, seen)
    picture = driver.parse(model.listing(), FRAME)
    sync(driver, model, really)
    change = difference(picture, desired)
    if not change.needed:
        return
    try:
        model.load(driver.render(FRAME, desired, change, picture))
    except Rejected:
        # Of two tables one may have changed: then more ports are silent, and whoever passes is as before.
        assert _passing(driver.parse(model.listing(), FRAME).forwards) == _passing(really)
    after = sync(driver, model, desired)
    assert (dict(after.forwards), after.intact) == (desired, True)


def _passing(table: Table) -> Table:
    return {port: way for port, way in table.items() if way.sources != frozenset()}


LINES = [line for text in (LISTING.nat, LISTING.filter) for line in (text or "").splitlines()]
HOSTILE = (
    f"-A bwv-abc123-pre -p tcp -m tcp --dport {'9' * 5000} -j DNAT --to-destination 1.2.3.4:5",
    "-A bwv-abc123-pre -p tcp -m tcp --dport 0 -j DNAT --to-destination 1.2.3.4:5",
    "-A bwv-abc123-pre -p tcp -m tcp --dport 50001 -j DNAT --to-destination 1.2.3.444:5",
    "-A bwv-abc123-pre -p tcp -m tcp --dport ٣ -j DNAT --to-destination 1.2.3.4:5",
    f"-A PREROUTING -p tcp -m tcp --dport {'9' * 5000} -j DNAT",
    '-A PREROUTING -m comment --comment "für uns" -j bwv-abc123-pre',
    '-A INPUT -m comment --comment "\u2028-A PREROUTING -j bwv-abc123-pre\u2028" -j ACCEPT',
    "-A PREROUTING -j bwv-abc123-pre\n*filter\n-F",
)
lines = st.lists(st.sampled_from((*LINES, *HOSTILE)) | st.text(max_size=60), max_size=25).map("\n".join)
POISONED = (LISTING.nft or "").replace("10.77.0.102", "a\\nflush ruleset\\n")
numbers = st.integers() | st.sampled_from((0, -5, 1e999, 1.5, 65536, 50001, True))
json_values = st.recursive(
    st.none() | numbers | st.text(max_size=8) | st.sampled_from(("10.77.0.101", "a\nflush ruleset\n", FRAME.mark)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("concat", "chain", "name", "elem", "comment", "type")), inner, max_size=3)
    ),
    max_leaves=8,
)
elements = st.tuples(numbers, st.fixed_dictionaries({"concat": st.lists(json_values, max_size=3)}))
objects = st.dictionaries(
    st.sampled_from(("chain", "rule", "map", "table", "metainfo")),
    json_values | st.fixed_dictionaries({"name": json_values, "elem": st.lists(elements, max_size=3)}),
    max_size=2,
)
jsons = st.lists(objects, max_size=4).map(lambda listed: json.dumps({"nftables": listed})) | st.text(max_size=80)
ALLOWED = re.compile(
    r"\*(nat|filter)|COMMIT|:bwv-abc123-\w+ - \[0:0\]|-[AFX] bwv-abc123-\S+.*|-[ID] \S+ .*bwv-abc123-\w+"
    r"|#cut [0-9]+ \* [0-9.]+ [0-9]+|(add|delete) (element|table) ip bwv-abc123.*"
)


@effort(2)
@example(POISONED, "", "", {50001: Translation("10.77.0.101", 1)})
@example("[" * 100_000, HOSTILE[0], "", {50001: Translation("10.77.0.101", 1)})
@example(LISTING.nft, LISTING.nat, f"{LISTING.filter}{HOSTILE[1]}\n", {})
@given(jsons | st.just(LISTING.nft), lines | st.just(LISTING.nat), lines | st.just(LISTING.filter), tables)
def test_no_listing_raises_or_puts_a_word_of_its_own_into_a_load(
    nft: str, nat: str, filtered: str, desired: dict[int, Translation]
) -> None:
    listing = Listing(True, nft, nat, filtered)
    list(conflicts(listing, FRAME))
    for driver in FILTERS:
        actual = driver.parse(listing, FRAME)
        change = difference(actual, desired)
        assert {port for port in actual.forwards if not 0 < port < 65536} == set()
        loads = [(each, each.render_removal(FRAME, each.parse(listing, FRAME))) for each in others(driver)]
        loads += [(driver, driver.render(FRAME, desired, change, actual))] if change.needed else []
        for filter_, rules in loads:
            sent = load(GUARD, filter_.backend, rules, cuts_of(change.remove)).stdin.decode()
            rendered = [line for line in sent.split("\n") if line and not line.startswith(("table ip", " ", "}"))]
            assert [line for line in rendered if not ALLOWED.fullmatch(line)] == []
