"""The same for gateways of the other family: what must hold of IPv4 holds of IPv6, and neither touches the other."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv6Network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyhole.domain import Fence, Gateway, network
from keyhole.gateway import Unanswered, probe, read_resolve, resolve
from keyhole.nat.choice import DRIVERS
from keyhole.nat.model import Backend, Frame, Table, Target, Translation
from keyhole.verification import addresses_of
from tests.contract.nat.conftest import KINDS, Bench, Either, a_world_of
from tests.contract.nat.leader import Leader, held
from tests.contract.nat.plan import PLANS
from tests.contract.nat.test_double import Pair
from tests.contract.nat.world import World, is_cut
from tests.support.keyhole import POLICY, MemoryBooks, request, tenancy

PLAN = PLANS[6]
NODE1, NODE2 = PLAN.nodes.values()
FIRST, SECOND = PLAN.clients
WEB: Table = {50001: Translation(NODE1, 50001)}
FOREIGN = "-A PREROUTING -p tcp -m tcp --dport 9999 -j REDIRECT --to-ports 22"
SOURCES = st.none() | st.frozensets(
    st.sampled_from(tuple(map(network, (FIRST, SECOND, "2001:db8:52::/64")))), max_size=3
)
tables = st.dictionaries(
    st.integers(50000, 60000),
    st.builds(Translation, st.sampled_from((NODE1, NODE2)), st.integers(1, 65535), SOURCES, st.just("")),
    max_size=50,
)


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Either]:
    with a_world_of(request.param, tmp_path, family=6) as made:
        yield made


@pytest.fixture(params=["nftables", "iptables"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return DRIVERS[request.param].backend


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=tables, after=tables)
def test_what_is_loaded_is_what_is_read_back(world: Either, backend: Backend, before: Table, after: Table) -> None:
    async def round_trip() -> None:
        bench = Bench(world, backend)
        for table in (before, after):
            await bench.make(table)
            actual = await bench.actual()
            assert (actual.forwards, actual.intact) == (table, True)

    asyncio.run(round_trip())


async def test_connections_pass_and_end_with_their_forwards(world: Either, backend: Backend) -> None:
    bench = Bench(world, backend)
    world.hosts["node1"].serve(50001, b"node1\n")
    world.hosts["node2"].serve(50900, b"node2\n")
    assert bench.hear(50001) is None
    await bench.make({**WEB, 50002: Translation(NODE2, 50900)})
    assert (bench.hear(50001), bench.hear(50002), bench.hear(50003)) == (b"node1\n", b"node2\n", None)
    ended, spared = (world.hosts["outside"].connect(bench.outer, port) for port in (50001, 50002))
    assert (ended.recv(9), spared.recv(9)) == (b"node1\n", b"node2\n")
    await bench.make({50002: Translation(NODE2, 50900)})
    assert is_cut(ended)
    spared.send(b"lives on")
    assert spared.recv(9) == b"lives on"
    await bench.load(bench.driver.render_removal(bench.frame, await bench.actual()))
    assert world.objects("gw1") == set()


async def test_only_admitted_addresses_pass_and_revocation_cuts(world: Either, backend: Backend) -> None:
    books, outside, outer = MemoryBooks(), world.hosts["outside"], world.gateways["gw1"].external_ip
    leader = Leader(world, books, Fence(1, 1), replace(POLICY, backend=backend, admission="owner-address"))
    world.hosts["node1"].serve(50001)
    books.put(held("j1", [50001], address=NODE1))
    books.admissions["j1"] = (network(FIRST), network("198.51.100.100"))
    await leader.sync.reconcile()
    client = outside.connect(outer, 50001, FIRST)
    assert client.recv(9) == b"hello\n"
    assert outside.unanswered(outer, 50001, SECOND)
    books.admissions["j1"] = (network("2001:db8:51::/64"),)
    await leader.sync.reconcile()
    other = outside.connect(outer, 50001, SECOND)
    assert other.recv(9) == b"hello\n"
    books.admissions["j1"] = (network(SECOND),)
    assert (await leader.sync.reconcile()).cut == 1
    assert world.muted(client)  # type: ignore[arg-type]  # of this world
    assert outside.unanswered(outer, 50001, FIRST)
    other.send(b"lives on")
    assert other.recv(9) == b"lives on"


async def test_a_request_becomes_a_page(world: Either, backend: Backend) -> None:
    """Names are resolved to the family's addresses, and listeners looked for there."""
    books = MemoryBooks()
    leader = Leader(world, books, Fence(1, 1), replace(POLICY, backend=backend))
    await leader.sync.reconcile()
    world.hosts["node2"].serve(50000)
    leader.tenants.jobs = {"j1": tenancy(hosts=["node1", "node2"])}
    books.asked = [request(hosts=["node1", "node2"])]
    assert (await leader.forwards.serve()).reserved == 1
    (forward,) = books.grants("j1")[0].forwards
    assert (forward.internal_address, forward.internal_port == 50000) == (NODE1, False)
    assert (await leader.sync.reconcile()).opened == 1
    world.hosts["node1"].serve(forward.internal_port)
    assert world.hosts["outside"].hear(world.gateways["gw1"].external_ip, forward.external_port) == b"hello\n"


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[tuple[Either, Either]]:
    with a_world_of("real", tmp_path, family=6) as real, a_world_of("simulated", tmp_path, family=6) as simulated:
        yield real, simulated


async def test_the_double_shows_the_same_rules(worlds: tuple[Either, Either], backend: Backend) -> None:
    pair = Pair(worlds, backend)
    for bench in pair.benches:
        networks = tuple(map(IPv6Network, ("fd77::/64", "fd79::/48", "fd80::9/128")))
        bench.frame = Frame(bench.frame.installation, 50000, 60000, networks, 6)
    bound = {50004: Translation(NODE1, 7, frozenset(map(network, (FIRST, "2001:db8:52::/64"))))}
    for table in ({}, WEB, {**WEB, **bound}, {50002: Translation(NODE2, 9)}, {}):
        await pair.make(table)
        await pair.compare()
    for bench in pair.benches:
        await bench.load(bench.driver.render_removal(bench.frame, await bench.actual()))
    await pair.compare()


async def test_the_double_answers_questions_alike(worlds: tuple[Either, Either]) -> None:
    pair = Pair(worlds, "nftables")
    for world in worlds:
        world.hosts["node1"].serve(50001)
    gateway = worlds[0].gateways["gw1"]
    for call in (
        probe(gateway, [Target(NODE1, 50001), Target(NODE1, 50002)]),
        resolve(gateway, ["node1", "node2", "node9"]),
    ):
        double, real = await pair.answers(call)
        assert sorted(double.splitlines()) == sorted(real.splitlines())


async def test_one_host_may_be_a_gateway_of_both_families(tmp_path: Path, backend: Backend) -> None:
    """Two entries of the settings: neither sees, looks after, or removes what the other has."""
    with a_world_of("real", tmp_path, family=6) as world:
        assert isinstance(world, World)
        gateway = world.hosts["gw1"]
        for host, device, address in (("gw1", "ext0", "198.51.100.21"), ("gw1", "int0", "10.77.0.21")):
            world.hosts[host].ip("addr", "add", f"{address}/24", "dev", device)
        world.hosts["outside"].ip("addr", "add", "198.51.100.100/24", "dev", "ext0")
        world.hosts["node1"].ip("addr", "add", "10.77.0.101/24", "dev", "eth0")
        world.hosts["node1"].serve(50001)
        gateway.run("ip6tables", "-t", "nat", *FOREIGN.split())
        six, four = Bench(world, backend), Bench(world, backend)
        four.outer = "198.51.100.21"
        old = Gateway("gw1-ipv4", internal_ip="10.77.0.21", external_ip=four.outer, sudo="")
        four.guard = four.guard._replace(gateway=old)
        four.frame = Frame("abc123", 50000, 60000, PLANS[4].networks)
        await six.make(WEB)
        await four.make({50001: Translation("10.77.0.101", 50001)})
        assert (six.hear(50001), four.hear(50001)) == (b"hello\n", b"hello\n")
        await four.make({})
        assert (six.hear(50001), four.hear(50001)) == (b"hello\n", None)
        await six.load(six.driver.render_removal(six.frame, await six.actual()))
        assert (await four.actual()).intact
        assert FOREIGN in gateway.run("ip6tables-save", "-t", "nat")


async def test_a_host_without_an_address_of_the_family_leads_nowhere(tmp_path: Path) -> None:
    """What `getent` makes of an IPv4 address then is no address of a compute network."""
    with a_world_of("real", tmp_path, family=6) as world:
        assert isinstance(world, World)
        world.hosts["gw1"].names({"node9": "10.77.0.109"})
        found = read_resolve(await Bench(world, "nftables").run(resolve(world.gateways["gw1"], ["node9"])))
        assert not isinstance(found, Unanswered)
        policy = replace(POLICY, compute_networks=(*POLICY.compute_networks, *PLAN.networks))
        assert not isinstance(addresses_of(["node9"], found, policy, 6), dict)
