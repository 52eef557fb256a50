"""What Helm and the schemas of Kubernetes say of a chart; runs in the environment of `scripts.chart`.

Reads from standard input ``{"chart": folder, "releases": {name: {"values": {...}, "namespace": text}}, "versions":
[text]}``.  Writes for each release ``{"manifests": {template: YAML}, "refused": text, "lint": [text], "faults":
[text]}``; what is not of Kubernetes itself (``monitoring.coreos.com``, ``cert-manager.io``) has no schema here.
"""

import functools
import json
import sys
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import yaml
from helm_python.chart import Chart, lint
from helm_python.errors import HelmError

# It reads both of its files anew for every object, 40 ms each time.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)
WARNING = 2
NOTES = "NOTES.txt"
WITHOUT_SCHEMA = ("monitoring.coreos.com/", "cert-manager.io/")


def judge(folder: str, chart: Chart, values: dict[str, Any], namespace: str, versions: list[str]) -> dict[str, Any]:
    """One release."""
    try:
        chart.validate_schema(values)
        manifests = chart.render(values, name="bwvisu", namespace=namespace)
    except HelmError as error:
        return {"manifests": {}, "refused": str(error), "lint": [], "faults": []}
    said = lint(folder, values, strict=True, namespace=namespace, kube_version=f"v{versions[-1]}.0")
    messages = [f"{it['path']}: {it['error']}" for it in said["messages"] if it["severity"] >= WARNING]
    manifests = {name: text for name, text in manifests.items() if text.strip()}
    objects = [each for name, text in manifests.items() if not name.endswith(NOTES) for each in documents(text)]
    faults = [fault for version in versions for each in objects for fault in faults_of(each, version)]
    return {"manifests": manifests, "refused": "", "lint": messages + said["errors"], "faults": faults}


def documents(text: str) -> Iterator[dict[str, Any]]:
    """The objects of a rendered template; what is no YAML, `lint` tells."""
    try:
        yield from filter(None, yaml.load_all(text, Loader=yaml.CSafeLoader))
    except yaml.YAMLError:
        return


def faults_of(each: dict[str, Any], version: str) -> Iterator[str]:
    """What a version of Kubernetes would not take."""
    if each["apiVersion"].startswith(WITHOUT_SCHEMA):
        return
    try:
        kubernetes_validate.validate(each, version, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        yield f"Kubernetes {version}: {each['kind']} {each['metadata']['name']}: {error}"[:600]


def main() -> None:
    """Answer what standard input asks."""
    asked = json.load(sys.stdin)
    chart = Chart.load(asked["chart"])
    told = {
        name: judge(asked["chart"], chart, release["values"], release["namespace"], asked["versions"])
        for name, release in asked["releases"].items()
    }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
