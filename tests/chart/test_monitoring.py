"""Alerts and the dashboard ask for metrics that are really counted, by labels that these really have."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from scripts import dashboard, metrics
from scripts.chart import CHART, Release
from scripts.environment import ROOT
from tests.chart.manifests import containers, of_kind, only, pods, selects
from tests.support.etcd import EtcdCluster

FILES = ("alerts.yaml", "alerts-etcd.yaml")
RUNBOOK = ROOT / "docs" / "runbook.md"
OF_KUBERNETES = {"namespace", "pod", "le"}


def counted() -> dict[str, set[str]]:
    """Every metric of the code as Prometheus names it, with its labels."""
    return {name: set(each.labels) for found in metrics.everything().values() for each in found for name in each.series}


def alerts() -> Iterator[dict[str, Any]]:
    """Every rule that we ship."""
    for file in FILES:
        for group in yaml.safe_load((CHART / "files" / file).read_text())["groups"]:
            yield from group["rules"]


def expressions() -> Iterator[str]:
    """What alerts and panels ask."""
    yield from (rule["expr"] for rule in alerts())
    for panels in dashboard.ROWS.values():
        yield from (panel.expression for panel in panels)


def asked(prefix: str) -> set[str]:
    return {name for text in expressions() for name in re.findall(rf"\b{prefix}_[a-z_]+", text)}


def test_what_is_asked_for_is_counted() -> None:
    assert asked("bwvisu")
    assert asked("bwvisu") <= counted().keys()


def test_every_alert_has_its_section_in_the_runbook_and_each_section_its_alert() -> None:
    named = [line.removeprefix("### ") for line in RUNBOOK.read_text().splitlines() if line.startswith("### ")]
    assert sorted(named) == sorted(rule["alert"] for rule in alerts())


def test_what_documents_name_is_counted() -> None:
    for page in (ROOT / "docs").glob("*.md"):
        named = set(re.findall(r"`(bwvisu_[a-z_]+)[`{]", page.read_text())) - {"bwvisu_client"}
        bare = {each.name for found in metrics.everything().values() for each in found}
        assert named <= counted().keys() | bare, page


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {name for panels in dashboard.ROWS.values() for panel in panels for name in [panel.expression]}
    for name in counted():
        if not name.endswith(("_sum", "_count")):
            assert any(name in expression for expression in shown), f"{name} is on no panel of scripts/dashboard.py"


def test_labels_are_those_of_the_metrics() -> None:
    known = counted()
    for text in expressions():
        if "bwvisu_" not in text:
            continue
        mine = {label for name in re.findall(r"\bbwvisu_[a-z_]+", text) for label in known[name]}
        grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", text) for label in group.split(",")}
        matched = set(re.findall(r"[{,]\s*([a-z_]+)\s*=~?\"", text))
        assert grouped | matched <= mine | OF_KUBERNETES, text


def test_etcd_really_counts_what_is_asked_of_it(tmp_path: Path) -> None:
    with EtcdCluster(members=1) as cluster, urlopen(f"http://{cluster.endpoints[0]}/metrics", timeout=10) as answer:
        said = answer.read().decode()
    assert asked("etcd")
    assert [name for name in asked("etcd") if not re.search(rf"^{name}[ {{]", said, re.MULTILINE)] == []


@pytest.mark.parametrize("file", FILES)
def test_prometheus_takes_the_alerts(file: str) -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", CHART / "files" / file], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_ring_when_they_should_and_are_silent_when_not() -> None:
    tests = Path(__file__).with_name("alerts.test.yaml")
    done = subprocess.run(["promtool", "test", "rules", tests], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_and_the_dashboard_arrive_whole(judged: Mapping[str, Release]) -> None:
    release = judged["high-availability"]
    (rules,) = of_kind(release, "PrometheusRule")
    groups = [yaml.safe_load((CHART / "files" / file).read_text())["groups"] for file in FILES]
    assert rules["spec"]["groups"] == [*groups[0], *groups[1]]
    board = only(release, "ConfigMap", "dashboard")["data"]["bwvisu.json"]
    assert json.loads(board) == json.loads(dashboard.render())


def test_each_monitor_finds_the_service_and_its_port(release: Release) -> None:
    for monitor in of_kind(release, "PodMonitor"):
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        found = [
            pod for pod in pods(release).values() if selects(monitor["spec"]["selector"], pod["metadata"]["labels"])
        ]
        ports = [{port["name"]: port for port in containers(pod)[0]["ports"]} for pod in found]
        assert [endpoint["port"] in named for named in ports] == [True]
    services = of_kind(release, "Service")
    for monitor in of_kind(release, "ServiceMonitor"):
        found = [each for each in services if selects(monitor["spec"]["selector"], each["metadata"]["labels"])]
        (endpoint,) = monitor["spec"]["endpoints"]
        assert [endpoint["port"] in {port["name"] for port in each["spec"]["ports"]} for each in found] == [True]
