"""Reading manifests: objects by kind, pods by component, and what a pod's network policy lets through."""

from collections.abc import Iterator
from typing import Any

from scripts.chart import Release

COMPONENT = "app.kubernetes.io/component"
Object = dict[str, Any]


def of_kind(release: Release, *kinds: str) -> list[Object]:
    """All objects of these kinds."""
    return [each for each in release.objects if each["kind"] in kinds]


def only(release: Release, kind: str, component: str) -> Object:
    """The one object of a kind that belongs to a component."""
    (found,) = [each for each in of_kind(release, kind) if each["metadata"]["labels"][COMPONENT] == component]
    return found


def pods(release: Release) -> dict[str, Object]:
    """The pod that each workload makes, by component: its labels and its spec."""
    return {template["metadata"]["labels"][COMPONENT]: template for template in _templates(release)}


def _templates(release: Release) -> Iterator[Object]:
    for each in release.objects:
        match each["kind"]:
            case "Deployment" | "StatefulSet":
                yield each["spec"]["template"]
            case "CronJob":
                yield each["spec"]["jobTemplate"]["spec"]["template"]
            case "Pod":
                yield each


def containers(pod: Object) -> list[Object]:
    """All of a pod's containers, those before its start included."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def mounted(pod: Object) -> dict[str, Object]:
    """The volume behind each place of the pod's first container."""
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
    return {mount["mountPath"]: volumes.get(mount["name"], {}) for mount in containers(pod)[0].get("volumeMounts", [])}


def selects(selector: Object, labels: Object) -> bool:
    """Whether a selector of ours (labels only) matches."""
    return all(labels.get(key) == value for key, value in selector["matchLabels"].items())


def policies(release: Release, component: str) -> list[Object]:
    """The specs of the network policies that hold for a component's pod."""
    labels = pods(release)[component]["metadata"]["labels"]
    specs = [each["spec"] for each in of_kind(release, "NetworkPolicy")]
    return [spec for spec in specs if selects(spec["podSelector"], labels)]


def ways_out(release: Release, component: str, port: int) -> list[Any]:
    """Where a component's pod may go on a port outside: the peers of each rule, None for anywhere."""
    rules = [rule for spec in policies(release, component) for rule in spec.get("egress", [])]
    return [rule.get("to") for rule in rules if port in {each.get("port") for each in rule.get("ports", [{}])}]
