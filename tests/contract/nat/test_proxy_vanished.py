"""Who vanished without closing is cut off by HAProxy, so that nobody counts as connected for ever."""

from collections.abc import Mapping
from pathlib import Path

from tests.contract.nat.proxy_place import ALICE, BOB, PICTURES, SinglePort
from tests.contract.nat.proxy_world import a_proxy_world
from tests.support.waiting import eventually_true

QUICKER = {
    "clitcpka-idle 45s": "clitcpka-idle 1s",
    "clitcpka-intvl 15s": "clitcpka-intvl 1s",
    "tcp-ut 90s": "tcp-ut 3s",
}
"""What the printed configuration lets pass in 90 s, in 3 s: one timeout of the kernel does both."""
VANISHED = """
table inet vanished {
  chain in { type filter hook input priority filter; policy drop; }
  chain out { type filter hook output priority filter; policy drop; }
}
"""
"""As a laptop that was shut: nothing more comes from there, and nothing is answered."""


async def test_who_vanished_without_closing_is_no_longer_connected(tmp_path: Path) -> None:
    with a_proxy_world(tmp_path) as world:
        place = SinglePort(world, QUICKER)
        await place.bench.make(place.ways)
        _silent, watching = place.web_socket(ALICE), place.web_socket(BOB)
        watching.sendall(PICTURES)
        assert watching.recv(len(PICTURES)) == PICTURES
        assert watching.recv(7) == b"picture"

        async def connected() -> Mapping[int, int]:
            return {port: each.connections for port, each in (await place.traffic()).items()}

        assert await connected() == {50001: 1, 50002: 1}
        world.hosts["outside"].run("nft", "-f", "-", stdin=VANISHED)

        async def gone() -> bool:
            return not any((await connected()).values())

        await eventually_true(gone)
