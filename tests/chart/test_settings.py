"""What the chart renders is settings that bwVisu takes, and each role finds the files that they name to it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bwvisu.settings import Settings, load
from scripts.chart import Release, values_of
from tests.chart.manifests import mounted, of_kind, only, pods

READERS = {
    r"etcd\..*": {"api", "keyhole", "reconciler"},
    r"api\.tls\..*": {"api"},
    r"keyhole\.tls\..*": {"keyhole"},
    r"keyhole\.ca_file": {"api", "reconciler"},
    r"clusters\..*\.ssh\..*": {"reconciler"},
    r"mail\..*": {"reconciler"},
    r"secrets\.key_files\..*": {"api", "keyhole", "reconciler"},
    r"tracing\.ca_file": {"reconciler"},
    r"portal\..*": {"portal"},
    r"applications\.path": {"api"},
}
"""Which roles open a file that the settings name."""


def text_of(release: Release) -> str:
    text: str = only(release, "ConfigMap", "settings")["data"]["bwvisu.yaml"]
    return text


@pytest.fixture
def settings(release: Release, tmp_path: Path) -> Settings:
    file = tmp_path / "bwvisu.yaml"
    file.write_text(text_of(release))
    return load(file)


def test_bwvisu_takes_them_and_they_say_what_was_meant(settings: Settings, name: str, tmp_path: Path) -> None:
    meant = values_of(name)["settings"]
    said = settings.model_dump(mode="json")
    assert sorted(said["clusters"]) == sorted(meant["clusters"])
    for cluster, wanted in meant["clusters"].items():
        hosts = [node["host"] for node in wanted["command_nodes"]]
        assert [node.host for node in settings.clusters[cluster].command_nodes] == hosts
    assert [token.name for token in settings.api.tokens] == [token["name"] for token in meant["api"]["tokens"]]


def test_numbers_nothing_and_braces_survive(judged: Mapping[str, Release], tmp_path: Path) -> None:
    file = tmp_path / "bwvisu.yaml"
    file.write_text(text_of(judged["several-clusters"]))
    settings = load(file)
    assert settings.retention.finished == 1_000_000
    assert settings.clusters["justus"].slurm.extend.run_as is None
    assert settings.clusters["justus"].users.minimum_uid == 1_000_000
    file.write_text(text_of(judged["external-etcd"]))
    assert load(file).clusters["main"].gateways[0].external_host == "{id}.gw1.example.org"


def test_servers_listen_where_the_probes_ask(settings: Settings, release: Release) -> None:
    for role, server in {"api": settings.api, "keyhole": settings.keyhole, "portal": settings.portal}.items():
        if server is not None:
            assert server.host == "0.0.0.0"  # noqa: S104
            (container,) = pods(release)[role]["spec"]["containers"]
            assert container["ports"][0] == {"name": "http", "containerPort": server.port}
            assert container["args"] == ["serve", role, "--config", "/etc/bwvisu/settings/bwvisu.yaml"]


def test_keyhole_and_reconciler_tell_their_metrics_where_the_monitor_asks(settings: Settings, release: Release) -> None:
    for role, metrics in {"keyhole": settings.keyhole.metrics, "reconciler": settings.leader.metrics}.items():
        assert metrics is not None
        assert metrics.host == "0.0.0.0"  # noqa: S104
        (container,) = pods(release)[role]["spec"]["containers"]
        assert container["ports"][-1] == {"name": "metrics", "containerPort": metrics.port}


def test_the_portal_finds_the_api(settings: Settings, release: Release) -> None:
    if settings.portal is not None:
        service = only(release, "Service", "api")
        scheme = "https" if settings.api.tls else "http"
        port = service["spec"]["ports"][0]["port"]
        assert settings.portal.api_url == f"{scheme}://{service['metadata']['name']}.hpc.svc:{port}"


def test_the_roles_find_the_charts_own_etcd(judged: Mapping[str, Release], tmp_path: Path) -> None:
    file = tmp_path / "bwvisu.yaml"
    file.write_text(text_of(judged["high-availability"]))
    etcd = load(file).etcd
    assert etcd.endpoints == tuple(f"bwvisu-etcd-{member}.bwvisu-etcd.hpc.svc:2379" for member in range(3))
    (member,) = pods(judged["high-availability"])["etcd"]["spec"]["containers"]
    assert any("=https://bwvisu-etcd-2.bwvisu-etcd.hpc.svc:2380" in word for word in member["command"])
    assert "--client-cert-auth" in member["command"]
    assert "--peer-client-cert-auth" in member["command"]


def paths(value: Any, where: str = "") -> dict[str, str]:
    """Every setting that is a path, as it stands in the file."""
    if isinstance(value, list):
        value = {str(place): inner for place, inner in enumerate(value)}
    if isinstance(value, dict):
        items = [(f"{where}.{key}".lstrip("."), inner) for key, inner in value.items()]
        return {name: path for key, inner in items for name, path in paths(inner, key).items()}
    return {where: value} if isinstance(value, str) and re.match(r"/(etc|opt)/bwvisu/", value) else {}


def within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def test_each_role_finds_the_files_that_are_named_to_it(release: Release) -> None:
    named = paths(yaml.safe_load(text_of(release)))
    assert named
    for setting, path in named.items():
        (readers,) = [roles for pattern, roles in READERS.items() if re.fullmatch(pattern, setting)]
        for role in readers & pods(release).keys():
            places = mounted(pods(release)[role])
            found = [place for place in places if within(path, place) or within(place, path)]
            assert found or within(path, "/opt/bwvisu"), f"{setting} is not in the pods of {role}"


def test_secrets_come_by_reference(release: Release) -> None:
    assert of_kind(release, "Secret") == []
    for pod in pods(release).values():
        for volume in mounted(pod).values():
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] == 0o440
