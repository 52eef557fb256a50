"""Settings of a cluster as each part wants them."""

from ipaddress import ip_network

from bwvisu.roles.conversions import own_addresses
from bwvisu.settings import Settings
from keyhole.domain import ForwardPolicy
from keyhole.verification import allowed


def test_own_addresses_are_written_as_addresses_are_compared() -> None:
    settings = Settings.model_validate(
        {
            "clusters": {
                "main": {
                    "ssh": {"key_file": "/k", "known_hosts": "/kh"},
                    "command_nodes": [{"host": "c1", "user": "bwvisu"}],
                    "keyhole_urls": ["https://[2001:db8::7]:4243"],
                }
            },
            "etcd": {"endpoints": ["[2001:DB8:0::5]:2379", "192.0.2.5:2379", "etcd.example.org:2379"]},
            "keyhole": {"public_urls": ["https://[2001:db8::0:6]:4243", "https://192.0.2.6", "https://middleware:1"]},
        }
    )
    own = own_addresses(settings)
    assert own == {
        "2001:db8::5",
        "192.0.2.5",
        "etcd.example.org",
        "2001:db8::6",
        "2001:db8::7",
        "192.0.2.6",
        "middleware",
    }
    policy = ForwardPolicy((ip_network("2001:db8::/64"),), own_addresses=own)
    assert [allowed(f"2001:db8::{n}", policy, 6) for n in (5, 6, 7, 8)] == [False, False, False, True]
