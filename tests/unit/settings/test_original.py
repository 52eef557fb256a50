"""The original runner's config.json as ours: what is carried over, what is said, what is refused."""

import json
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from bwvisu.errors import InvalidInput
from bwvisu.settings import SettingsError, load
from bwvisu.settings.original import cluster_name, imported

PUBLISHED: dict[str, Any] = {
    "bwvisu-home-prefix": "/shared/home",
    "gateway-nodes": [
        {"internal-ip": "10.0.0.1", "external-ip": "198.51.100.1", "user": "bwvisurunner", "port": 22},
        {"internal-ip": "10.0.0.2", "external-ip": "198.51.100.2", "user": "bwvisurunner", "port": 22},
    ],
    "command-nodes": [
        {"ip": "198.51.100.1", "user": "bwvisurunner", "port": 22},
        {"ip": "198.51.100.2", "user": "bwvisurunner", "port": 2222},
    ],
    "keyholed-servers": [{"ip": "192.0.2.2", "port": 80}],
    "keyholed-port-range": {"min": 50000, "max": 60000},
    "keyholed-max-forwarders-per-job": 100,
    "etcd-servers": [{"ip": "127.0.0.1", "port": 2379}],
    "debug": {"keyholed-static-forwarding": "False"},
    "forwarding-hostname-suffix": "-ib0",
}
"""As the original's documentation shows it, with addresses for documentation."""
NETWORK = IPv4Network("10.0.0.0/24")


def written(folder: Path, text: str) -> Path:
    path = folder / "bwvisu.yaml"
    path.write_text(text)
    return path


def test_all_that_has_a_counterpart_is_carried_over(tmp_path: Path) -> None:
    text = imported(json.dumps(PUBLISHED), networks=[NETWORK])
    settings = load(written(tmp_path, text))
    assert settings.etcd.endpoints == ("127.0.0.1:2379",)
    cluster = settings.clusters["main"]
    nodes = [(each.host, each.port, each.user) for each in cluster.command_nodes]
    assert nodes == [("198.51.100.1", 22, "bwvisurunner"), ("198.51.100.2", 2222, "bwvisurunner")]
    first, second = cluster.gateways
    assert (first.name, first.host, str(first.internal_ip)) == ("gateway1", "198.51.100.1", "10.0.0.1")
    assert (second.name, str(second.external_ip), second.user) == ("gateway2", "198.51.100.2", "bwvisurunner")
    forwards = cluster.forwards
    assert (forwards.port_range, forwards.max_per_job, forwards.hostname_suffix) == ((50000, 60000), 100, "-ib0")
    assert (cluster.compute_networks, cluster.home_prefix) == ((NETWORK,), "/shared/home")
    assert "create-basic" in text


def test_a_port_that_takes_a_right_is_replaced_and_said(tmp_path: Path) -> None:
    text = imported(json.dumps(PUBLISHED), networks=[NETWORK])
    keyhole = load(written(tmp_path, text)).keyhole
    assert (keyhole.port, keyhole.public_urls) == (4243, ("http://192.0.2.2:4243",))
    assert "TO DO: the original's port 80 takes a right" in text
    kept = imported(json.dumps({**PUBLISHED, "keyholed-servers": [{"ip": "2001:db8::2", "port": 8080}]}))
    assert "http://[2001:db8::2]:8080" in kept
    assert "takes a right" not in kept


def test_without_networks_the_check_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="gateways are named but no compute_networks"):
        load(written(tmp_path, imported(json.dumps(PUBLISHED))))


def test_what_has_no_counterpart_is_said(tmp_path: Path) -> None:
    odd = {**PUBLISHED, "x\ny: 1": 2, "debug": {"keyholed-static-forwarding": "True", "verbose": 1}}
    text = imported(json.dumps(odd), "alpha", [NETWORK])
    comments = [line.strip() for line in text.splitlines() if line.strip().startswith("#")]
    assert "# Not carried over: debug.keyholed-static-forwarding. Ports are always chosen." in comments
    assert r"# Not carried over, since nobody knows what it means: x\ny: 1" in comments
    assert "# Not carried over, since nobody knows what it means: debug.verbose" in comments
    assert list(load(written(tmp_path, text)).clusters) == ["alpha"]


def test_hostile_values_stay_values(tmp_path: Path) -> None:
    user = "x}\n# : - {a"
    hostile = {**PUBLISHED, "gateway-nodes": [], "command-nodes": [{"ip": "a: b # c", "user": user}]}
    (node,) = load(written(tmp_path, imported(json.dumps(hostile)))).clusters["main"].command_nodes
    assert (node.host, node.user, node.port) == ("a: b # c", user, 22)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"command-nodes": []}, "/command-nodes"),
        (
            {"gateway-nodes": [{"internal-ip": "gw", "external-ip": "1.2.3.4", "user": "u"}]},
            "/gateway-nodes/0/internal-ip",
        ),
        ({"keyholed-port-range": {"min": 50000}}, "/keyholed-port-range/max"),
        ({"bwvisu-home-prefix": "home"}, "/bwvisu-home-prefix"),
        ({"etcd-servers": [{"ip": "x", "port": 70000}]}, "/etcd-servers/0/port"),
    ],
)
def test_what_cannot_be_understood_has_a_pointer(change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidInput) as told:
        imported(json.dumps({**PUBLISHED, **change}))
    assert any(fault.pointer.startswith(pointer) for fault in told.value.faults), told.value.faults


def test_no_json_is_no_config() -> None:
    with pytest.raises(InvalidInput):
        imported("bwvisu: 1")
    assert (cluster_name("main-2"), cluster_name("a\nb"), cluster_name("")) == (True, False, False)
