"""What pods may do: nothing that they need not, and only the reconciler reaches the cluster."""

from collections.abc import Mapping

from scripts.chart import Release
from tests.chart.manifests import COMPONENT, containers, mounted, of_kind, only, pods, policies, ways_out

ROLES = {"api", "keyhole", "portal", "reconciler"}


def test_pods_are_restricted(release: Release) -> None:
    for pod in pods(release).values():
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod["spec"].keys()
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


def test_nobody_has_rights_in_kubernetes(release: Release) -> None:
    assert of_kind(release, "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding") == []
    assert all(each["automountServiceAccountToken"] is False for each in of_kind(release, "ServiceAccount"))
    for pod in pods(release).values():
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["enableServiceLinks"] is False, "BWVISU_API_PORT=tcp://... would stand in the environment"


def test_every_pod_is_closed_but_for_what_it_needs(release: Release) -> None:
    for component in pods(release):
        (policy,) = policies(release, component)
        assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
        assert all(rule.get("ports") for rule in policy.get("ingress", []) + policy["egress"])


def test_only_the_reconciler_reaches_ssh(release: Release) -> None:
    for component in pods(release):
        ways = ways_out(release, component, 22)
        assert bool(ways) == (component == "reconciler"), component


def test_the_ports_and_networks_of_ssh_are_those_of_the_settings(judged: Mapping[str, Release]) -> None:
    inside = [{"ipBlock": {"cidr": "10.0.0.0/24"}}]
    assert ways_out(judged["external-etcd"], "reconciler", 2222) == [inside]
    assert ways_out(judged["several-clusters"], "reconciler", 2200) == [None]
    assert ways_out(judged["external-etcd"], "reconciler", 587) == [None]
    assert all(ways_out(judged["external-etcd"], role, 587) == [] for role in ROLES - {"reconciler"})


def test_the_portal_reaches_the_api_and_the_sign_in_and_nothing_else(judged: Mapping[str, Release]) -> None:
    assert ways_out(judged["external-etcd"], "portal", 8443) == [None]
    assert ways_out(judged["tls-everywhere"], "portal", 636) == [None]
    assert ways_out(judged["high-availability"], "portal", 443) == [None]
    for name in ("external-etcd", "tls-everywhere", "high-availability", "several-clusters"):
        assert ways_out(judged[name], "portal", 2379) == []


def test_etcd_is_met_by_the_roles_alone(judged: Mapping[str, Release]) -> None:
    (policy,) = policies(judged["high-availability"], "etcd")
    (rule,) = [rule for rule in policy["ingress"] if rule["ports"] == [{"port": "client"}]]
    askers = {peer["podSelector"]["matchLabels"][COMPONENT] for peer in rule["from"]}
    assert askers == {"api", "keyhole", "reconciler", "etcd-backup"}
    assert all("namespaceSelector" not in peer for peer in rule["from"])


def test_the_keyhole_is_met_by_compute_nodes(judged: Mapping[str, Release]) -> None:
    (policy,) = policies(judged["several-clusters"], "keyhole")
    peers = [peer for rule in policy["ingress"] if {"port": "http"} in rule["ports"] for peer in rule["from"]]
    assert {peer["ipBlock"]["cidr"] for peer in peers if "ipBlock" in peer} == {"10.1.1.0/24", "2001:db8:1::/64"}
    assert {"namespaceSelector": {}} not in peers


def test_a_key_is_in_the_pods_of_its_role_alone(judged: Mapping[str, Release]) -> None:
    holders = {
        component: {volume["secret"]["secretName"] for volume in mounted(pod).values() if "secret" in volume}
        for component, pod in pods(judged["external-etcd"]).items()
    }
    assert holders["reconciler"] == {"bwvisu-ssh", "bwvisu-mail", "etcd-bwvisu-reconciler"}
    assert holders["portal"] == {"bwvisu-portal"}
    assert holders["api"] == {"etcd-bwvisu-api"}
    assert holders["keyhole"] == {"etcd-bwvisu-keyhole"}
    assert holders["test"] == set()


def test_services_keep_the_addresses_of_those_who_ask(judged: Mapping[str, Release]) -> None:
    assert only(judged["tls-everywhere"], "Service", "keyhole")["spec"]["externalTrafficPolicy"] == "Local"


def test_metrics_are_for_those_who_watch(judged: Mapping[str, Release]) -> None:
    release = judged["high-availability"]
    for role in ("keyhole", "reconciler"):
        (policy,) = policies(release, role)
        (rule,) = [rule for rule in policy["ingress"] if {"port": "metrics"} in rule["ports"]]
        assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert "metrics" not in {port["name"] for port in only(release, "Service", "keyhole")["spec"]["ports"]}
