"""Connections through a gateway: what passes, what is cut, and what of others is left alone."""

import pytest

from keyhole.nat.choice import others
from keyhole.nat.model import Backend, Translation
from tests.contract.nat.conftest import FILTERS, OUTER, WEB, Bench, Either
from tests.contract.nat.world import World, is_cut

FOREIGN = "-A PREROUTING -p tcp -m tcp --dport 9999 -j REDIRECT --to-ports 22"


async def test_a_connection_passes_to_a_node_without_a_route_back(bench: Bench) -> None:
    bench.world.hosts["node1"].serve(50001, b"node1\n")
    bench.world.hosts["node2"].serve(50900, b"node2\n")
    assert bench.hear(50001) is None
    await bench.make({**WEB, 50002: Translation("10.77.0.102", 50900)})
    assert (bench.hear(50001), bench.hear(50002), bench.hear(50003)) == (b"node1\n", b"node2\n", None)


async def test_the_iptables_driver_passes_a_forward_chain_that_drops(real_world: World) -> None:
    bench = Bench(real_world, "iptables")
    real_world.hosts["gw1"].run("iptables", "-P", "FORWARD", "DROP")
    real_world.hosts["node1"].serve(50001)
    await bench.make(WEB)
    assert bench.hear(50001) == b"hello\n"
    await bench.make({})
    assert bench.hear(50001) is None


@pytest.mark.parametrize("backend", FILTERS)
async def test_only_packets_to_the_gateway_itself_are_translated(real_world: World, backend: Backend) -> None:
    """A connection in transit to another host's port 50001 goes where it was meant to go."""
    world, bench = real_world, Bench(real_world, backend)
    world.hosts["outside"].ip("route", "add", "10.77.0.0/24", "via", OUTER)
    world.hosts["node2"].ip("route", "add", "198.51.100.0/24", "via", "10.77.0.21")
    world.hosts["node1"].serve(50001, b"node1\n")
    world.hosts["node2"].serve(50001, b"node2\n")
    await bench.make(WEB)
    assert bench.hear(50001, "10.77.0.102") == b"node2\n"
    assert bench.hear(50001) == b"node1\n"


async def test_removal_ends_a_live_connection_and_spares_the_others(bench: Bench) -> None:
    world = bench.world
    world.hosts["node1"].serve(50001)
    world.hosts["node1"].serve(50002)
    await bench.make({**WEB, 50002: Translation("10.77.0.101", 50002)})
    ended, spared = (world.hosts["outside"].connect(OUTER, port) for port in (50001, 50002))
    assert (ended.recv(9), spared.recv(9)) == (b"hello\n", b"hello\n")
    await bench.make({50002: Translation("10.77.0.101", 50002)})
    assert is_cut(ended)
    spared.send(b"still there")
    assert spared.recv(20) == b"still there"


async def test_connections_are_cut_though_somebody_else_removed_the_rules(bench: Bench) -> None:
    world = bench.world
    world.hosts["node1"].serve(50001)
    await bench.make(WEB)
    client = world.hosts["outside"].connect(OUTER, 50001)
    assert client.recv(9) == b"hello\n"
    world.flush("gw1")
    client.send(b"lives on")
    assert client.recv(9) == b"lives on"
    await bench.load("", WEB)
    assert is_cut(client)


async def test_a_port_led_elsewhere_does_not_keep_its_old_connections(bench: Bench) -> None:
    world = bench.world
    world.hosts["node1"].serve(50001, b"old\n")
    world.hosts["node2"].serve(50001, b"new\n")
    await bench.make(WEB)
    client = world.hosts["outside"].connect(OUTER, 50001)
    assert client.recv(9) == b"old\n"
    await bench.make({50001: Translation("10.77.0.102", 50001)})
    assert is_cut(client)
    assert bench.hear(50001) == b"new\n"


async def test_foreign_rules_stay_whatever_is_loaded(bench: Bench) -> None:
    world = bench.world
    world.foreign("gw1", FOREIGN)
    before = world.saved("gw1")
    await bench.make(WEB)
    assert FOREIGN in world.saved("gw1")
    await bench.load(bench.driver.render_removal(bench.frame, await bench.actual()))
    assert _rules(world.saved("gw1")) == _rules(before)
    assert not (await bench.actual()).present


def _rules(saved: str) -> list[str]:
    return [line for line in saved.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("backend", FILTERS)
async def test_foreign_tables_stay_whatever_is_loaded(real_world: World, backend: Backend) -> None:
    bench, host = Bench(real_world, backend), real_world.hosts["gw1"]
    host.run("nft", "add", "table", "inet", "site")
    await bench.make(WEB)
    await bench.load(bench.driver.render_removal(bench.frame, await bench.actual()))
    assert "table inet site" in host.run("nft", "list", "tables")


async def test_fault_35a_two_installations_share_a_gateway(bench: Bench) -> None:
    neighbour = Bench(bench.world, others(bench.driver)[0].backend, "xyz789")
    twin = Bench(bench.world, bench.driver.backend, "abc1234")
    bench.world.hosts["node1"].serve(50001, b"ours\n")
    bench.world.hosts["node2"].serve(51001, b"neighbour\n")
    bench.world.hosts["node2"].serve(52001, b"twin\n")
    await bench.make(WEB)
    await neighbour.make({51001: Translation("10.77.0.102", 51001)})
    await twin.make({52001: Translation("10.77.0.102", 52001)})
    assert [bench.hear(port) for port in (50001, 51001, 52001)] == [b"ours\n", b"neighbour\n", b"twin\n"]
    await bench.make({})
    assert [bench.hear(port) for port in (50001, 51001, 52001)] == [None, b"neighbour\n", b"twin\n"]
    assert (await twin.actual()).forwards == {52001: Translation("10.77.0.102", 52001)}


async def test_every_driver_leaves_nothing_when_it_goes(world: Either) -> None:
    for backend in FILTERS:
        bench = Bench(world, backend)
        await bench.make(WEB)
        assert (await bench.actual()).present
        await bench.load(bench.driver.render_removal(bench.frame, await bench.actual()))
        assert not (await bench.actual()).present
    assert world.objects("gw1") == set()
