"""HAProxy's printed configuration on a gateway of the other family, before jobs on IPv6 addresses."""

from pathlib import Path

from tests.contract.nat.proxy_place import ALICE, AWAY, BOB, SinglePort, ended
from tests.contract.nat.proxy_world import a_proxy_world


async def test_pages_and_web_sockets_reach_jobs_on_ipv6_addresses(tmp_path: Path) -> None:
    with a_proxy_world(tmp_path, family=6) as world:
        place = SinglePort(world)
        await place.bench.make(place.ways)
        assert (await place.bench.actual()).forwards == place.ways
        for host, port in ((ALICE, 8001), (BOB, 8002)):
            told = place.served(host, "/page", Cookie=place.cookie(host))
            assert told["port"] == port
            assert told["headers"]["x-forwarded-for"] in world.plan.clients
        assert place.ask(ALICE)[0].status == 403
        assert place.ask(AWAY, Cookie=place.cookie(AWAY))[0].status == 404, "out of the compute networks"
        cut, spared = place.web_socket(ALICE), place.web_socket(BOB)
        await place.bench.make({50002: place.ways[50002]})
        assert ended(cut)
        spared.sendall(b"still there")
        assert spared.recv(20) == b"still there"
        assert (await place.traffic())[50002].connections == 1
