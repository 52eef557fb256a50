"""Allocation against books kept by hand: one owner a port, nothing out of range, nothing withheld (I4, fault 18)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from keyhole.allocation import Allocation, Allotment, Ask, Blocked, Pool, allocate
from keyhole.domain import Grant, GrantPhase
from tests.support.effort import effort
from tests.support.keyhole import FIRST, grant

FIRST_PORT, LAST_PORT = 50000, 50011
GATEWAYS = ("gw1", "gw2", "gw3")
HOSTS = ("node1", "node2", "node3", "node4")
ports = st.integers(FIRST_PORT - 3, LAST_PORT + 3)
port_sets = st.sets(ports, max_size=10)


@dataclass(frozen=True)
class Round:
    """Everything that one allocation is given."""

    asks: tuple[Ask, ...]
    grants: tuple[Grant, ...]
    blocked: Blocked
    pool: Pool


asks = st.builds(
    Ask,
    st.sampled_from(("j1", "j2", "j3")),
    st.just(FIRST),
    st.lists(st.sampled_from(HOSTS), min_size=1, max_size=4, unique=True).map(tuple),
    st.integers(1, 6),
    st.sampled_from((None, None, *GATEWAYS)),
)
grants = st.builds(
    lambda ports, phase, gateway, hosts: grant(sorted(ports), phase, gateway=gateway, hosts=hosts),
    st.sets(ports, min_size=1, max_size=3),
    st.sampled_from(GrantPhase),
    st.sampled_from(GATEWAYS),
    st.lists(st.sampled_from(HOSTS), min_size=1, max_size=2, unique=True),
)
rounds = st.builds(
    Round,
    st.lists(asks, max_size=10).map(tuple),
    st.lists(grants, max_size=6).map(tuple),
    st.builds(
        Blocked,
        st.dictionaries(st.sampled_from(GATEWAYS), port_sets),
        st.dictionaries(st.sampled_from(HOSTS), port_sets),
    ),
    st.builds(
        Pool,
        st.lists(st.sampled_from(GATEWAYS), max_size=3, unique=True).map(tuple),
        st.just(FIRST_PORT),
        st.just(LAST_PORT),
        st.dictionaries(st.sampled_from(GATEWAYS), st.integers(0, 70000)),
    ),
)


class HandBooks:
    """Owners as a person would write them down, from the same round."""

    def __init__(self, given: Round) -> None:
        self.taken: set[tuple[str, int]] = set()
        for held in given.grants:
            for forward in held.forwards:
                self.take(held.gateway, held.hosts, forward.external_port, forward.internal_port)
        for place, blocked in (*given.blocked.external.items(), *given.blocked.internal.items()):
            self.taken |= {(place, port) for port in blocked}

    def take(self, gateway: str, hosts: Sequence[str], external: int, internal: int) -> None:
        self.taken |= {(gateway, external), *((host, internal) for host in hosts)}

    def room(self, *places: str) -> int:
        """How many ports are free at all of these places at once."""
        span = range(FIRST_PORT, LAST_PORT + 1)
        return sum(all((place, port) not in self.taken for place in places) for port in span)


def solve(given: Round) -> Allocation:
    return allocate(given.asks, given.grants, given.blocked, given.pool)


@effort(3)
@given(rounds)
def test_every_port_goes_to_one_owner_within_the_range_or_truly_cannot(given: Round) -> None:
    books = HandBooks(given)
    results = solve(given).results
    assert [result.ask for result in results] == list(given.asks)
    for result in results:
        ask = result.ask
        usable = [ask.gateway] if ask.gateway else list(given.pool.gateways)
        if isinstance(result, Allotment):
            assert result.gateway in usable
            assert len(result.pairs) == ask.ports
            for pair in result.pairs:
                wanted = {(result.gateway, pair.external), *((host, pair.internal) for host in ask.hosts)}
                assert not wanted & books.taken, "a port with two owners"
                assert all(FIRST_PORT <= port <= LAST_PORT for port in pair)
                books.take(result.gateway, ask.hosts, *pair)
        else:
            assert result.exhausted is bool(usable)
            assert all(min(books.room(gateway), books.room(*ask.hosts)) < ask.ports for gateway in usable)


@effort(0.5)
@given(rounds, st.randoms(use_true_random=False))
def test_the_order_in_which_owners_are_told_changes_nothing(given: Round, random: object) -> None:
    shuffled = list(given.grants)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' Random
    again = allocate(given.asks, shuffled, given.blocked, given.pool)
    assert again == solve(given)


@effort(0.5)
@given(st.integers(0, 70000), st.integers(1, 6))
def test_who_lets_go_and_asks_again_does_not_get_the_port_just_left(cursor: int, ports: int) -> None:
    """Ports come around as late as possible: the cursor of an allocation is where the next one begins."""
    ask = Ask("j9", FIRST, ("node9",), ports)
    before = allocate([ask], (), Blocked(), Pool(("gw1",), FIRST_PORT, LAST_PORT, {"gw1": cursor}))
    after = allocate([ask], (), Blocked(), Pool(("gw1",), FIRST_PORT, LAST_PORT, before.cursors))
    assert not _externals(before) & _externals(after)


def _externals(allocation: Allocation) -> set[int]:
    return {pair.external for each in allocation.allotments for pair in each.pairs}


@effort(0.5)
@given(rounds)
def test_cursors_of_gateways_that_gave_nothing_stay(given: Round) -> None:
    allocation = solve(given)
    gave = {each.gateway for each in allocation.allotments}
    kept: Mapping[str, int] = {name: at for name, at in given.pool.cursors.items() if name not in gave}
    assert {name: at for name, at in allocation.cursors.items() if name not in gave} == kept
