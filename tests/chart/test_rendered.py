"""Real Helm renders every set of values; Kubernetes takes it; nothing has changed without being looked at."""

from collections.abc import Mapping

import pytest
import yaml

from scripts import chart
from scripts.chart import GOLDEN, Release, golden
from scripts.environment import ROOT
from tests.chart.conftest import REFUSED
from tests.chart.manifests import COMPONENT, Object, containers, of_kind, only, pods


def test_helm_and_kubernetes_take_it(release: Release) -> None:
    assert release.refused == ""
    assert release.lint == []
    assert release.faults == []


def test_it_is_what_it_was(release: Release, name: str) -> None:
    expected = (GOLDEN / f"{name}.yaml").read_text()
    assert golden(release) == expected, "look at it, then `python -m scripts.chart --golden`"


def test_the_five_sets_are_there() -> None:
    wanted = {"minimal", "external-etcd", "tls-everywhere", "several-clusters", "high-availability"}
    assert set(chart.SETS) == wanted == {path.stem for path in GOLDEN.iterdir()}


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("no cluster", "settings.clusters names no cluster"),
        ("one reconciler", "/reconciler/replicas"),
        ("an unknown value", "reconcilers"),
        ("a file that is not there", 'but `files` has no "ssh"'),
        ("an SSH key for the API", "its roles must be [reconciler]"),
        ("a file of nothing", "/files/ssh"),
        ("an ingress without a name", "portal.ingress.host is empty"),
        ("etcd in the clear", "etcd.tls.certManager"),
        ("two members", "/etcd/replicas"),
    ],
)
def test_a_mistake_is_told_before_anything_is_installed(judged: Mapping[str, Release], why: str, words: str) -> None:
    assert words in judged[why].refused
    assert set(REFUSED) >= {why}


def test_every_workload_has_a_budget_and_an_account_of_its_own(release: Release) -> None:
    for each in of_kind(release, "Deployment", "StatefulSet"):
        component = each["metadata"]["labels"][COMPONENT]
        budget = only(release, "PodDisruptionBudget", component)["spec"]
        assert budget["maxUnavailable"] == 1
        assert budget["selector"] == each["spec"]["selector"]
        account = only(release, "ServiceAccount", component)["metadata"]["name"]
        assert each["spec"]["template"]["spec"]["serviceAccountName"] == account


def test_the_portal_runs_where_the_settings_have_one(judged: Mapping[str, Release]) -> None:
    assert set(pods(judged["minimal"])) == {"api", "keyhole", "reconciler", "test"}
    assert set(pods(judged["high-availability"])) == {
        *("api", "keyhole", "portal", "reconciler", "test", "etcd", "etcd-backup")
    }


def test_a_change_of_the_settings_restarts_every_role(judged: Mapping[str, Release]) -> None:
    def sums(release: Release) -> dict[str, str]:
        roles = of_kind(release, "Deployment")
        return {
            each["metadata"]["name"]: each["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]
            for each in roles
        }

    before, after = sums(judged["minimal"]), sums(judged["another"])
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())


def test_an_autoscaler_and_a_fixed_number_do_not_quarrel(judged: Mapping[str, Release]) -> None:
    release = judged["high-availability"]
    assert {each["metadata"]["labels"][COMPONENT] for each in of_kind(release, "HorizontalPodAutoscaler")} == {
        "api",
        "keyhole",
    }
    assert "replicas" not in only(release, "Deployment", "api")["spec"]
    assert only(release, "Deployment", "reconciler")["spec"]["replicas"] == 3


def _probes(pod: Object) -> dict[str, str]:
    (container,) = containers(pod)
    kinds = ("startupProbe", "readinessProbe", "livenessProbe")
    return {kind: container[kind]["httpGet"]["path"] for kind in kinds if kind in container}


def test_probes_ask_what_each_role_answers(release: Release) -> None:
    roles = {"api", "keyhole", "portal", "reconciler"}
    found = {role: _probes(pod) for role, pod in pods(release).items() if role in roles}
    for role, probes in found.items():
        assert probes["startupProbe"] == "/readyz"
        assert probes["livenessProbe"] == "/livez", "a process is not restarted for what etcd does"
        assert probes["readinessProbe"] == ("/readyz" if role in {"keyhole", "reconciler"} else "/livez")


def test_probes_speak_tls_where_the_server_does(judged: Mapping[str, Release]) -> None:
    def schemes(release: Release) -> set[str]:
        found = [containers(pod)[0] for role, pod in pods(release).items() if role in {"api", "keyhole", "portal"}]
        return {container["livenessProbe"]["httpGet"]["scheme"] for container in found}

    assert schemes(judged["tls-everywhere"]) == {"HTTPS"}
    assert schemes(judged["external-etcd"]) == {"HTTP"}


def test_event_streams_pass_the_ingress(release: Release) -> None:
    for ingress in of_kind(release, "Ingress"):
        notes = ingress["metadata"]["annotations"]
        assert notes["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
        assert int(notes["nginx.ingress.kubernetes.io/proxy-read-timeout"]) >= 3600
        assert ingress["spec"]["tls"][0]["hosts"] == [ingress["spec"]["rules"][0]["host"]]


def test_metrics_stay_inside(release: Release) -> None:
    services = {each["metadata"]["name"]: each["spec"] for each in of_kind(release, "Service")}
    for ingress in of_kind(release, "Ingress"):
        paths = {path["path"]: path for path in ingress["spec"]["rules"][0]["http"]["paths"]}
        if "/" in paths:
            assert paths["/metrics"]["pathType"] == "Exact"
            assert "selector" not in services[paths["/metrics"]["backend"]["service"]["name"]]


def test_the_chart_has_the_version_of_what_it_installs() -> None:
    told = yaml.safe_load((chart.CHART / "Chart.yaml").read_text())
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{told["appVersion"]}"' in project
