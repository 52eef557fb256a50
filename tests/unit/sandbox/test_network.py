"""Commands that wire an instance."""

from bwvisu.sandbox.network import bridges, cables, machine_addresses
from bwvisu.sandbox.topology import MIDDLEWARE, Options, Topology

TOPOLOGY = Topology(5, Options())


def test_one_bridge_per_network_which_forwards_at_once() -> None:
    adds = [line for line in bridges(TOPOLOGY).splitlines() if line.startswith("link add")]
    assert [line.split()[2] for line in adds] == ["bwv5-inner", "bwv5-outer", "bwv5-fabric"]
    assert all(line.endswith("type bridge forward_delay 0 stp_state 0") for line in adds)


def test_a_gateways_cables_end_in_its_namespace_and_on_the_right_bridges() -> None:
    assert cables(TOPOLOGY, "gw1", end="bwv5-gw1").splitlines() == [
        "link add bwv5-gw1-i type veth peer name inner address 02:bf:0a:4d:05:15 netns bwv5-gw1",
        "link set bwv5-gw1-i master bwv5-inner up",
        "link add bwv5-gw1-o type veth peer name outer address 02:bf:0a:4f:05:15 netns bwv5-gw1",
        "link set bwv5-gw1-o master bwv5-outer up",
        "link add bwv5-gw1-f type veth peer name fabric address 02:bf:0a:4e:05:15 netns bwv5-gw1",
        "link set bwv5-gw1-f master bwv5-fabric up",
    ]


def test_this_machines_own_links_carry_the_instances_prefix() -> None:
    assert "peer name bwv5-inner " in cables(TOPOLOGY, MIDDLEWARE, end="1")
    assert "address add 10.79.5.1/24 dev bwv5-outer" in machine_addresses(TOPOLOGY).splitlines()
