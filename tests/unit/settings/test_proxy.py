"""Single-port mode: what it needs, in exact words."""

from pathlib import Path

import pytest

from bwvisu.settings import Settings
from tests.unit.settings.test_load import CLUSTER, KEYHOLE, faults, read

PLAIN = (
    '{name: gw1, host: g1, user: u, internal_ip: 10.0.0.1, external_ip: 192.0.2.9, external_host: "{id}.example.org"}'
)
NAMED = "{id}-{port}.gw1.viz.example.org"


def with_proxy(forwards: str, *hosts: str) -> str:
    gateways = [
        PLAIN.replace("gw1", f"gw{n}")
        .replace("g1,", f"g{n},")
        .replace("10.0.0.1", f"10.0.0.{n}")
        .replace("192.0.2.9", f"192.0.2.{n}")
        .replace("{id}.example.org", host)
        for n, host in enumerate(hosts, start=1)
    ]
    assert PLAIN in CLUSTER
    return CLUSTER.replace(PLAIN, "\n      - ".join(gateways)) + f"    forwards: {forwards}\n" + KEYHOLE


def proxied(path: Path, host: str = NAMED, proxy: str = "key_file: /k") -> Settings:
    return read(path, with_proxy(f"{{backend: proxy, proxy: {{{proxy}}}}}", host))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bwvisu.yaml"


def test_users_are_shown_one_name_per_forward_and_one_port(path: Path) -> None:
    cluster = proxied(path).clusters["main"]
    gateway = cluster.gateways_by_name()["gw1"]
    assert (gateway.public_port, gateway.proxy_socket) == (443, "/run/haproxy/bwvisu.sock")
    assert gateway.public_host("01jd") == "01jd-{port}.gw1.viz.example.org"
    assert cluster.forward_policy().backend == "proxy"
    assert cluster.forwards.proxied is not None
    assert cluster.forwards.proxied.lifetime == 8 * 3600


def test_on_the_way_back_the_proxy_is_still_asked_but_shown_to_nobody(path: Path) -> None:
    cluster = read(path, with_proxy("{backend: auto, proxy: {key_file: /k}}", "{id}.example.org")).clusters["main"]
    gateway = cluster.gateways_by_name()["gw1"]
    assert (gateway.public_port, gateway.proxy_socket) == (None, "/run/haproxy/bwvisu.sock")
    assert cluster.forwards.proxied is None


def test_without_a_proxy_nobody_asks_for_one(path: Path) -> None:
    gateway = read(path, CLUSTER + KEYHOLE).clusters["main"].gateways_by_name()["gw1"]
    assert (gateway.public_port, gateway.proxy_socket) == (None, "")


@pytest.mark.parametrize(
    "host", ["x-{id}-{port}.example.org", "{port}-{id}.example.org", "{id}-a{port}.example.org", "{port}-{id}.a.b-c.d1"]
)
def test_names_that_a_wildcard_certificate_covers(path: Path, host: str) -> None:
    assert proxied(path, host).clusters["main"].gateways[0].external_host == host


@pytest.mark.parametrize(
    "host",
    [
        "",
        "viz.example.org",
        "{id}.example.org",
        "{port}.example.org",
        "{id}.{port}.example.org",
        "{id}{port}.example.org",
        "{id}-{port}",
        "{ID}-{port}.example.org",
        "{id}-{port}.Example.org",
        "{id}-{port}-{id}.example.org",
    ],
)
def test_names_that_do_not_tell_forwards_and_jobs_apart(path: Path, host: str) -> None:
    assert faults(path, with_proxy("{backend: proxy, proxy: {key_file: /k}}", host)) == [
        ":2: clusters.main: the external_host of gateway 'gw1' must be a name in lower case with both {id} and {port} "
        "in its first label where forwards.backend is proxy, such as {id}-{port}.gw1.viz.example.org"
    ]


@pytest.mark.parametrize(
    ("forwards", "hosts", "fault"),
    [
        ("{backend: proxy}", [NAMED], "forwards: backend: proxy needs the section proxy with its key_file"),
        (
            "{backend: proxy, admission: owner-address, proxy: {key_file: /k}}",
            [NAMED],
            "forwards: admission: owner-address is not for backend: proxy, where a signed cookie lets people in",
        ),
        (
            "{backend: nftables}",
            [NAMED],
            ": the external_host of gateway 'gw1' holds {port}: only forwards.backend: proxy fills it in",
        ),
        (
            "{backend: proxy, proxy: {key_file: /k}}",
            [NAMED, NAMED],
            f": two gateways are reached as {NAMED}: a host name leads to one gateway",
        ),
        ("{backend: proxy, proxy: {key_file: /k, lifetime: 59}}", [NAMED], "forwards.proxy.lifetime: "),
    ],
)
def test_what_does_not_go_together(path: Path, forwards: str, hosts: list[str], fault: str) -> None:
    (told,) = faults(path, with_proxy(forwards, *hosts))
    assert told.split("clusters.main", 1)[1].removeprefix(".").startswith(fault)


def test_one_haproxy_is_one_gateway(path: Path) -> None:
    both = [NAMED, NAMED.replace("gw1", "gw2")]
    text = with_proxy("{backend: proxy, proxy: {key_file: /k}}", *both)
    assert len(read(path, text).clusters["main"].gateways) == 2
    for old, new in {
        "host: g2": "host: g1",
        "10.0.0.2": "fd00::2",
        "192.0.2.2": "2001:db8::2",
        '["10.0.0.0/24"]': '["10.0.0.0/24", "fd00::/64"]',
    }.items():
        text = text.replace(old, new)
    assert faults(path, text) == [
        ":2: clusters.main: two gateways on one host would share one HAProxy: name it once, by one address family"
    ]
