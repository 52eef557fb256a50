"""Gateways of a cluster: what they cannot share, and how closely they are watched."""

from pathlib import Path

import pytest

from tests.unit.settings.test_load import GOOD, faults, read, with_cluster

LINE = GOOD.splitlines()[5]
TWIN = LINE.replace("gw1", "gw2").replace("10.0.0.1", "10.0.0.2").replace("192.0.2.9", "192.0.2.10")
SIXTH = LINE.replace("gw1", "gw1-ipv6").replace("10.0.0.1", "fd00::1").replace("192.0.2.9", "2001:db8::9")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bwvisu.yaml"


def test_a_host_is_one_gateway_of_each_family(path: Path) -> None:
    assert LINE != TWIN
    assert faults(path, GOOD.replace(LINE, f"{LINE}\n{TWIN}")) == [
        ":5: clusters.main.gateways: two gateways are on host 'g1' with IPv4: name it once per address family"
    ]
    apart = GOOD.replace(LINE, f"{LINE}\n{TWIN.replace('host: g1', 'host: g2')}")
    assert len(read(path, apart).clusters["main"].gateways) == 2
    both = GOOD.replace(LINE, f"{LINE}\n{SIXTH}").replace('"10.0.0.0/24"', '"10.0.0.0/24", "fd00::/64"')
    assert len(read(path, both).clusters["main"].gateways) == 2


def test_connections_are_looked_at_before_those_that_were_reset_are_gone(path: Path) -> None:
    text = with_cluster("forwards: {activity: {interval: 10}}")
    assert read(path, text).clusters["main"].forwards.activity.interval == 10
    assert faults(path, text.replace("interval: 10", "interval: 11")) == [
        ":8: clusters.main.forwards.activity.interval: should be less than or equal to 10"
    ]
