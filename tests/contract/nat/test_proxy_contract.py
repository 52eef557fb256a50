"""The packet filters' contract, kept by HAProxy: the same tests, on the real one.

Not among them: what is only true of packets (hooks, FORWARD chains, a site's own rules that translate our ports), and
loads without conntrack.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyhole.domain import Fence, ForwardPolicy, GrantPhase
from keyhole.gateway import Loaded, Refused
from keyhole.nat.model import Table, Translation, difference
from tests.contract.nat.conftest import OUTER, WEB, Bench
from tests.contract.nat.leader import Leader, held
from tests.contract.nat.proxy_world import MAPS, ProxyWorld, a_proxy_world
from tests.contract.nat.test_killed import sweep
from tests.contract.nat.test_loading import (
    BIG,
    test_a_broken_line_loads_nothing,
    test_a_change_against_an_outdated_picture_is_refused,
    test_a_damaged_fence_stops_everything,
    test_a_greater_fence_is_kept_by_looking_alone,
    test_an_older_fence_is_refused_and_changes_nothing,
    test_input_that_was_cut_short_loads_nothing,
)
from tests.contract.nat.test_loops import (
    books,
    phases,
    test_a_batch_is_one_transaction_and_one_more_needs_no_look,
    test_a_flush_between_looks_is_noticed_by_the_next_change,
    test_a_flush_is_repaired_at_the_next_look,
    test_a_new_leader_looks_before_it_believes_and_locks_the_old_one_out,
    test_a_reboot_takes_rules_and_connections_but_not_the_fence,
    test_a_request_becomes_a_page_and_its_end_leaves_nothing,
    test_an_unreachable_gateway_changes_nothing_and_its_stale_rules_go_first,
    test_what_may_belong_to_a_record_that_cannot_be_read_stays_until_it_can,
)
from tests.contract.nat.test_traffic import (
    test_a_connection_passes_to_a_node_without_a_route_back,
    test_a_port_led_elsewhere_does_not_keep_its_old_connections,
    test_connections_are_cut_though_somebody_else_removed_the_rules,
    test_fault_35a_two_installations_share_a_gateway,
    test_foreign_rules_stay_whatever_is_loaded,
    test_removal_ends_a_live_connection_and_spares_the_others,
)
from tests.contract.nat.world import is_cut
from tests.support.keyhole import POLICY, MemoryBooks

__all__ = [
    "books",
    "test_a_batch_is_one_transaction_and_one_more_needs_no_look",
    "test_a_broken_line_loads_nothing",
    "test_a_change_against_an_outdated_picture_is_refused",
    "test_a_connection_passes_to_a_node_without_a_route_back",
    "test_a_damaged_fence_stops_everything",
    "test_a_flush_between_looks_is_noticed_by_the_next_change",
    "test_a_flush_is_repaired_at_the_next_look",
    "test_a_greater_fence_is_kept_by_looking_alone",
    "test_a_new_leader_looks_before_it_believes_and_locks_the_old_one_out",
    "test_a_port_led_elsewhere_does_not_keep_its_old_connections",
    "test_a_reboot_takes_rules_and_connections_but_not_the_fence",
    "test_a_request_becomes_a_page_and_its_end_leaves_nothing",
    "test_an_older_fence_is_refused_and_changes_nothing",
    "test_an_unreachable_gateway_changes_nothing_and_its_stale_rules_go_first",
    "test_connections_are_cut_though_somebody_else_removed_the_rules",
    "test_fault_35a_two_installations_share_a_gateway",
    "test_foreign_rules_stay_whatever_is_loaded",
    "test_input_that_was_cut_short_loads_nothing",
    "test_removal_ends_a_live_connection_and_spares_the_others",
    "test_what_may_belong_to_a_record_that_cannot_be_read_stays_until_it_can",
]
PROXY = replace(POLICY, backend="proxy")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ProxyWorld]:
    with a_proxy_world(tmp_path, gateways=("gw1", "gw2")) as made:
        yield made


@pytest.fixture
def bench(world: ProxyWorld) -> Bench:
    return Bench(world, "proxy")


@pytest.fixture
def policy() -> ForwardPolicy:
    return PROXY


def tables() -> st.SearchStrategy[dict[int, Translation]]:
    """Some of the forwards have names, each its own."""
    targets = st.builds(Translation, st.sampled_from(("10.77.0.101", "10.77.0.102")), st.integers(1, 65535), st.none())
    plain = st.dictionaries(st.integers(50000, 52999), st.tuples(targets, st.booleans()), max_size=150)
    return plain.map(
        lambda table: {
            port: target._replace(name=f"01jd-{port}.viz.example.org" if named else "")
            for port, (target, named) in table.items()
        }
    )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=tables(), after=tables())
def test_what_is_loaded_is_what_is_read_back(world: ProxyWorld, before: Table, after: Table) -> None:
    async def round_trip() -> None:
        bench = Bench(world, "proxy")
        for table in (before, after):
            await bench.make(table)
            actual = await bench.actual()
            assert (actual.forwards, actual.intact) == (table, True)

    asyncio.run(round_trip())


async def test_ten_thousand_forwards_and_one_more(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    times: dict[str, float] = {}
    many = {port: target._replace(name=f"01jdzzzzzzzzzzzzzzzzzzzzzz-{port}.viz.org") for port, target in BIG.items()}
    for name, table in {"all": many, "all and one": {**many, 60000: Translation("10.77.0.102", 1)}, "none": {}}.items():
        actual = await bench.actual()
        change = difference(actual, table)
        begun = time.perf_counter()
        assert await bench.load(bench.driver.render(bench.frame, table, change, actual)) == Loaded()
        times[name] = 1000 * (time.perf_counter() - begun)
        assert (await bench.actual()).forwards == table
    with capsys.disabled():
        print(f"\nproxy: {', '.join(f'{name} {spent:.0f} ms' for name, spent in times.items())}")


@pytest.mark.parametrize(
    "lines", ["+50002", "+50002 ", "+a b c", "+50002 50002/10.77.0.102/2\n+50002 50002/10.77.0.102/3"]
)
async def test_what_haproxy_would_misread_is_refused(bench: Bench, lines: str) -> None:
    """It takes the next line for a missing value, and a second entry of a name beside the first."""
    await bench.make(WEB)
    assert isinstance(await bench.load(f"? 1\n{lines}\n+50009 50009/10.77.0.102/9"), Refused)
    assert (await bench.actual()).forwards == WEB


async def test_entries_that_are_not_understood_are_replaced(world: ProxyWorld, bench: Bench) -> None:
    await bench.make(WEB)
    for entry in ("50001 50001/10.77.0.101/50001", "x nonsense", "y 50001/10.77.0.102/1"):
        world.ask("gw1", f"add map {world.folder('gw1')}/{MAPS[0]}.map {entry}")
        assert not (await bench.actual()).intact
        await bench.make(WEB)
        actual = await bench.actual()
        assert (actual.forwards, actual.intact) == (WEB, True)


async def test_what_an_interrupted_load_left_behind_is_neither_seen_nor_kept(world: ProxyWorld, bench: Bench) -> None:
    """A version that was never committed."""
    await bench.make(WEB)
    path = f"{world.folder('gw1')}/{MAPS[0]}.map"
    version = world.ask("gw1", f"prepare map {path}").split()[-1]
    world.ask("gw1", f"add map @{version} {path} <<\n50002 50002/10.77.0.102/2\n")
    assert (await bench.actual()).forwards == WEB
    await bench.make({})
    assert (await bench.actual()).forwards == {}
    assert "entry_cnt=0" in next(line for line in world.ask("gw1", "show map").splitlines() if f"{MAPS[0]}.map" in line)


async def test_a_proxy_that_cannot_be_asked_is_not_empty(
    world: ProxyWorld, books: MemoryBooks, policy: ForwardPolicy
) -> None:
    leader = Leader(world, books, Fence(1, 1), policy)
    books.put(held("j1", [50001]))
    assert (await leader.sync.reconcile()).opened == 1
    world.stop("gw1")
    books.put(held("j1", [50001], GrantPhase.CLOSING))
    for policies in (policy, replace(policy, backend="nftables")):
        follower = Leader(world, books, Fence(1, 2), policies)
        told = await follower.sync.reconcile()
        assert (told.outcome, follower.board.usable(), phases(books)) == ("unreachable", [], [GrantPhase.CLOSING])
        assert "proxy may hold rules of ours" in told.detail
    world.start("gw1")
    assert (await Leader(world, books, Fence(1, 3), policy).sync.reconcile()).quarantined == 1


async def test_a_proxy_without_our_map_is_no_place_for_forwards(
    world: ProxyWorld, books: MemoryBooks, policy: ForwardPolicy
) -> None:
    world.stop("gw1")
    text = (world.folder("gw1") / "haproxy.cfg").read_text()
    ours = f"{MAPS[0]}.map"
    (world.folder("gw1") / "bwv-other.map").touch()
    world.start("gw1", text.replace(ours, "bwv-other.map"))
    books.put(held("j1", [50001]))
    told = await Leader(world, books, Fence(1, 1), policy).sync.reconcile()
    assert (told.outcome, phases(books)) == ("unreachable", [GrantPhase.RESERVED])
    assert "cannot be listed with proxy" in told.detail


@pytest.mark.parametrize("filtering", ["nftables", "iptables"])
async def test_a_gateway_goes_over_to_a_proxy_and_back(
    world: ProxyWorld, books: MemoryBooks, policy: ForwardPolicy, filtering: str
) -> None:
    """What the other one left behind goes, and with the proxy's map the connections through it."""
    packets = replace(policy, backend="nftables" if filtering == "nftables" else "iptables")
    books.put(held("j1", [50001]))
    world.hosts["node1"].serve(50001)
    assert (await Leader(world, books, Fence(1, 1), packets).sync.reconcile()).opened == 1
    assert world.objects("gw1")
    client = world.hosts["outside"].connect(OUTER, 50001)
    assert client.recv(9) == b"hello\n"
    proxied = Leader(world, books, Fence(1, 2), policy)
    assert (await proxied.sync.reconcile()).backend == "proxy"
    assert is_cut(client)
    assert (await proxied.sync.reconcile()).outcome == "in-step"
    assert world.objects("gw1") == set()
    assert world.hosts["outside"].hear(OUTER, 50001) == b"hello\n"
    client = world.hosts["outside"].connect(OUTER, 50001)
    assert client.recv(9) == b"hello\n"
    back = Leader(world, books, Fence(1, 3), packets)
    assert (await back.sync.reconcile()).backend == filtering
    assert is_cut(client)
    assert world.hosts["outside"].hear(OUTER, 50001) == b"hello\n"
    assert (await back.sync.reconcile()).outcome == "in-step"
    assert (await Bench(world, "proxy").actual()).forwards == {}


@pytest.mark.parametrize("ending", [False, True], ids=["opening", "ending"])
async def test_the_next_leader_converges_wherever_the_last_one_was_killed(
    world: ProxyWorld, policy: ForwardPolicy, ending: bool
) -> None:
    await sweep(world, policy, ending=ending)
