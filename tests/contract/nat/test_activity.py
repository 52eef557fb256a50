"""Who uses a forward, as the gateway's own conntrack tells it, real and simulated."""

from dataclasses import replace

import pytest

from keyhole.activity import KNOCK, Flow, Listed
from keyhole.gateway import Unanswered, flows, probe, read_flows, read_probe
from tests.contract.nat.conftest import OUTER, WEB, Bench
from tests.contract.nat.world import World
from tests.support.waiting import eventually_true


async def listed(bench: Bench) -> Listed:
    answer = read_flows(await bench.run(flows(bench.world.gateways["gw1"])))
    assert isinstance(answer, Listed), answer
    return answer


async def only(bench: Bench) -> Flow:
    (flow,) = (await listed(bench)).flows[50001]
    return flow


@pytest.fixture
def served(bench: Bench) -> Bench:
    bench.world.hosts["node1"].serve(50001)
    return bench


async def test_nobody_is_connected(bench: Bench) -> None:
    assert await listed(bench) == Listed(counted=True, flows={})


async def test_a_connection_is_listed_with_bytes_that_grow_in_both_directions(served: Bench) -> None:
    await served.make(WEB)
    client = served.world.hosts["outside"].connect(OUTER, 50001)
    client.recv(100)
    first = await only(served)
    assert (first.target, first.established) == (WEB[50001].target, True)
    client.send(b"x" * 500)
    client.recv(500)
    second = await only(served)
    assert second.key == first.key
    assert first.bytes_in is not None
    assert second.bytes_in is not None
    assert second.bytes_in - first.bytes_in >= 500
    assert (second.bytes_out or 0) - (first.bytes_out or 0) >= 500


async def test_the_gateways_own_probes_are_no_connections(served: Bench) -> None:
    await served.make(WEB)
    target = WEB[50001].target
    assert read_probe(await served.run(probe(served.world.gateways["gw1"], [target]))) == {target: True}
    assert (await listed(served)).flows == {}


async def test_what_begins_uncounted_stays_so(served: Bench) -> None:
    await served.make(WEB)
    served.world.count("gw1", on=False)
    served.world.hosts["outside"].connect(OUTER, 50001)
    assert not (await listed(served)).counted
    served.world.count("gw1", on=True)
    assert (await listed(served)).counted
    assert (await only(served)).bytes_in is None


async def test_without_conntrack_nobody_can_tell(bench: Bench) -> None:
    bench.world.without_conntrack("gw1")
    assert read_flows(await bench.run(flows(bench.world.gateways["gw1"]))) == Unanswered("conntrack does not work here")


@pytest.fixture
def knocked(real_world: World) -> World:
    real_world.hosts["node1"].serve(50001)
    return real_world


async def test_a_knock_is_smaller_than_the_smallest_request(knocked: World) -> None:
    bench = Bench(knocked, "nftables")
    await bench.make(WEB)
    outside = knocked.hosts["outside"]
    outside.run("nc", "-z", OUTER, "50001")
    (knock,) = (await listed(bench)).flows[50001]
    assert not knock.established
    assert (knock.bytes_in or 0) <= KNOCK
    with outside.connect(OUTER, 50001) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: 198.51.100.21:50001\r\nAccept: */*\r\n\r\n")
        client.recv(100)
    request = max(flow.bytes_in or 0 for flow in (await listed(bench)).flows[50001])
    assert request > KNOCK


async def test_of_a_client_that_vanished_only_the_jobs_side_grows(real_world: World) -> None:
    """Its cable is pulled: what the job sends is sent again and again, and nothing comes."""
    listener = real_world.hosts["node1"].tcp()
    listener.bind(("0.0.0.0", 50001))  # noqa: S104 - the namespace's own addresses only
    listener.listen()
    bench = Bench(real_world, "nftables")
    await bench.make(WEB)
    client = real_world.hosts["outside"].connect(OUTER, 50001)
    job, _ = listener.accept()
    client.send(b"hello")
    assert job.recv(5) == b"hello"
    real_world.hosts["outside"].ip("link", "set", "ext0", "down")
    before = await only(bench)
    job.send(b"are you there?")

    async def sent_again() -> bool:
        return ((await only(bench)).bytes_out or 0) > (before.bytes_out or 0) + 150

    await eventually_true(sent_again)
    after = await only(bench)
    assert (after.established, after.bytes_in) == (True, before.bytes_in)
    job.close()


async def test_an_address_of_the_other_family_is_asked_for(real_world: World) -> None:
    bench = Bench(real_world, "nftables")
    six = replace(real_world.gateways["gw1"], external_ip="2001:db8::21")
    assert read_flows(await bench.run(flows(six))) == Listed(counted=True, flows={})
