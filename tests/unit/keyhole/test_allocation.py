"""No two owners of a port, whatever is asked in whatever order."""

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from keyhole.allocation import Allotment, Ask, Blocked, Pair, Pool, Unserved, allocate
from keyhole.domain import GrantPhase, Run
from tests.support.keyhole import FIRST, grant

HOSTS = ("node1", "node2", "node3")
POOL = Pool(("gw1", "gw2"), 50000, 50009)


def ask(job_id: str, hosts: tuple[str, ...] = ("node1",), ports: int = 1, gateway: str | None = None) -> Ask:
    return Ask(job_id, FIRST, hosts, ports, gateway)


def owners(allotments: list[Allotment]) -> Counter[tuple[str, int]]:
    outside = [(each.gateway, pair.external) for each in allotments for pair in each.pairs]
    inside = [(host, pair.internal) for each in allotments for pair in each.pairs for host in each.ask.hosts]
    return Counter(outside + inside)


asks = st.lists(
    st.tuples(st.lists(st.sampled_from(HOSTS), min_size=1, max_size=3, unique=True), st.integers(1, 6)), max_size=12
)
owned = st.sets(
    st.tuples(st.sampled_from(("gw1", "gw2")), st.sampled_from(HOSTS), st.integers(50000, 50009)), max_size=9
)


@given(asks, owned, st.sampled_from(list(GrantPhase)), st.integers(49990, 50020))
def test_every_port_has_at_most_one_owner(
    wanted: list[tuple[list[str], int]], before: set[tuple[str, str, int]], phase: GrantPhase, cursor: int
) -> None:
    grants = [grant([port], phase, gateway=gateway, hosts=[host]) for gateway, host, port in before]
    pool = Pool(POOL.gateways, POOL.first, POOL.last, {"gw1": cursor})
    requests = [ask(f"j{n}", tuple(hosts), ports) for n, (hosts, ports) in enumerate(wanted)]
    result = allocate(requests, grants, Blocked(), pool)
    new = owners(result.allotments)
    assert max(new.values(), default=1) == 1
    assert not set(new) & (
        {(gateway, port) for gateway, _, port in before} | {(host, port) for _, host, port in before}
    )
    assert all(pool.first <= port <= pool.last for _, port in new)
    assert all(len(each.pairs) == each.ask.ports for each in result.allotments)
    assert [each.ask for each in result.results] == requests


@given(asks)
def test_an_ask_goes_unserved_only_where_no_gateway_has_room(wanted: list[tuple[list[str], int]]) -> None:
    requests = [ask(f"j{n}", tuple(hosts), ports) for n, (hosts, ports) in enumerate(wanted)]
    used: defaultdict[str, set[int]] = defaultdict(set)
    for result in allocate(requests, [], Blocked(), POOL).results:
        if isinstance(result, Allotment):
            used[result.gateway] |= {pair.external for pair in result.pairs}
            for host in result.ask.hosts:
                used[host] |= {pair.internal for pair in result.pairs}
        else:
            outside = max(10 - len(used[gateway]) for gateway in POOL.gateways)
            inside = 10 - len(set().union(*(used[host] for host in result.ask.hosts)))
            assert min(outside, inside) < result.ask.ports


def test_the_number_is_the_same_outside_and_inside_where_it_can_be() -> None:
    (same,) = allocate([ask("j1", ports=3)], [], Blocked(), POOL).allotments
    assert all(pair.external == pair.internal for pair in same.pairs)
    blocked = Blocked(
        internal={"node1": range(50000, 50005)}, external={"gw1": range(50005, 50010), "gw2": range(50000, 50010)}
    )
    (other,) = allocate([ask("j1", ports=1)], [], blocked, POOL).allotments
    assert other.pairs == (Pair(50000, 50005),)


def test_ports_are_reused_as_late_as_possible() -> None:
    pool, seen = Pool(("gw1",), 50000, 50009), []
    for n in range(10):
        allocation = allocate([ask(f"j{n}")], [], Blocked(), pool)
        seen += [pair.external for each in allocation.allotments for pair in each.pairs]
        pool = Pool(pool.gateways, pool.first, pool.last, allocation.cursors)
    assert sorted(seen) == list(range(50000, 50010))


def test_forwards_spread_over_the_gateways() -> None:
    result = allocate([ask(f"j{n}", (HOSTS[n % 3],)) for n in range(6)], [], Blocked(), POOL)
    assert Counter(each.gateway for each in result.allotments) == {"gw1": 3, "gw2": 3}


def test_full_and_absent_gateways_are_told_apart() -> None:
    full = [grant(range(50000, 50010), gateway=name, hosts=["elsewhere"]) for name in POOL.gateways]
    assert allocate([ask("j1")], full, Blocked(), POOL).results == (Unserved(ask("j1"), exhausted=True),)
    nobody = Pool((), 50000, 50009)
    assert allocate([ask("j1")], [], Blocked(), nobody).results == (Unserved(ask("j1"), exhausted=False),)


def test_a_pinned_ask_is_served_by_its_own_gateway_even_where_that_takes_no_others() -> None:
    result = allocate([ask("j1", gateway="gw9")], [], Blocked(), POOL)
    assert [each.gateway for each in result.allotments] == ["gw9"]


def test_ports_of_an_earlier_range_do_not_count_against_the_range_of_now() -> None:
    old = grant(range(40000, 40010), gateway="gw1", hosts=["elsewhere"])
    result = allocate([ask("j1", ports=10)], [old], Blocked(), Pool(("gw1",), 50000, 50009))
    assert len(result.allotments) == 1


def test_what_closes_is_still_owned_by_an_earlier_run() -> None:
    closing = grant([50000], GrantPhase.CLOSING, run=Run(1, 0))
    (served,) = allocate(
        [Ask("j1", Run(1, 1), ("node1",), 1)], [closing], Blocked(), Pool(("gw1",), 50000, 50001)
    ).allotments
    assert served.pairs == (Pair(50001, 50001),)


def moving(*pairs: Pair, leaves: str = "gw1") -> Ask:
    return Ask("j1", FIRST, ("node1",), len(pairs), barred=frozenset([leaves]), moved=pairs)


def test_what_moves_keeps_its_inner_ports_and_its_outer_ones_where_they_are_free() -> None:
    old = grant([50000, 50001], gateway="gw1")
    taken = grant([50001], gateway="gw2", hosts=["node2"])
    (moved,) = allocate([moving(Pair(50000, 50000), Pair(50001, 50001))], [old, taken], Blocked(), POOL).allotments
    assert (moved.gateway, moved.pairs) == ("gw2", (Pair(50000, 50000), Pair(50002, 50001)))


def test_what_moves_never_goes_where_it_comes_from_or_halfway() -> None:
    ask_two = moving(Pair(50000, 50000), Pair(50001, 50001), leaves="gw2")
    full = grant(range(50000, 50009), gateway="gw1", hosts=["node2"])
    assert allocate([ask_two], [full], Blocked(), POOL).results == (Unserved(ask_two, exhausted=True),)
    alone = Pool(("gw2",), 50000, 50009)
    assert allocate([ask_two], [], Blocked(), alone).results == (Unserved(ask_two, exhausted=False),)


def test_outer_ports_of_an_earlier_range_get_numbers_of_the_range_of_now() -> None:
    (moved,) = allocate([moving(Pair(40000, 50007))], [], Blocked(), POOL).allotments
    assert moved.pairs == (Pair(50000, 50007),)


@given(st.sets(st.integers(50000, 50009), min_size=1, max_size=4), st.sets(st.integers(50000, 50009), max_size=9))
def test_moved_ports_have_one_owner_and_lead_where_they_led(mine: set[int], theirs: set[int]) -> None:
    pairs = [Pair(port, port) for port in sorted(mine)]
    others = [grant([port], gateway="gw2", hosts=["node2"]) for port in theirs]
    (result,) = allocate([moving(*pairs)], [grant(sorted(mine)), *others], Blocked(), POOL).results
    if isinstance(result, Allotment):
        outside = [pair.external for pair in result.pairs]
        assert len(set(outside) | theirs) == len(outside) + len(theirs)
        assert [pair.internal for pair in result.pairs] == sorted(mine)
    else:
        assert len(theirs) + len(mine) > 10


def test_open_connections_weigh_as_much_as_forwards() -> None:
    pool = Pool(POOL.gateways, POOL.first, POOL.last, connections={"gw1": 3})
    result = allocate([ask(f"j{n}", (HOSTS[n % 3],)) for n in range(5)], [], Blocked(), pool)
    assert Counter(each.gateway for each in result.allotments) == {"gw2": 4, "gw1": 1}
