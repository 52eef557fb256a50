"""The Helm chart: its page, what Helm makes of it, and the tools that judge it and the image.

usage: chart.py --install | --golden | --sbom FILE

`--install` makes the environment of the tools (Helm's own SDK, Kubernetes' schemas, hadolint, CycloneDX), `--golden`
writes anew what tests/chart compares with, `--sbom` lists what the image has of Python's and npm's packages.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import yaml

from scripts.environment import ROOT, Environment, run

CHART = ROOT / "charts" / "bwvisu"
SETS = tuple(sorted(path.stem for path in (CHART / "ci").glob("*.yaml")))
GOLDEN = ROOT / "tests" / "chart" / "golden"
NAMESPACE = "hpc"
VERSIONS = ("1.27", "1.37")
"""The oldest Kubernetes that ``kubeVersion`` of the chart allows, and the newest whose schemas we have."""
DRAWN = ("monitoring/dashboard.yaml", "monitoring/rules.yaml")
"""Templates that hold a file of the chart: the file itself is enough to look at."""


@dataclass(frozen=True, slots=True)
class Tools(Environment):
    """What judges the chart and the image."""

    home: Path = ROOT / "build" / "packaging"
    locks: ClassVar[Path] = ROOT / "scripts" / "packaging"
    locked: ClassVar[Sequence[str]] = ("constraints.txt",)
    purpose: ClassVar[str] = "the tools that judge the chart and the image"


@dataclass(frozen=True)
class Release:
    """What Helm and Kubernetes' schemas say of one set of values; ``refused`` is why Helm does not render it."""

    manifests: Mapping[str, str]
    refused: str
    lint: Sequence[str]
    faults: Sequence[str]

    @cached_property
    def objects(self) -> list[Any]:
        """All Kubernetes objects."""
        texts = (text for name, text in self.manifests.items() if not name.endswith("NOTES.txt"))
        return [each for text in texts for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each]


def values_of(name: str) -> dict[str, Any]:
    """One of the sets in ``ci/``."""
    values: dict[str, Any] = yaml.safe_load((CHART / "ci" / f"{name}.yaml").read_text())
    return values


def judge(releases: Mapping[str, Mapping[str, Any]]) -> dict[str, Release]:
    """Render, lint and validate the chart with these values, by name; some seconds for all sets."""
    asked = {
        "chart": str(CHART),
        "releases": {name: {"values": values, "namespace": NAMESPACE} for name, values in releases.items()},
        "versions": VERSIONS,
    }
    argv = [Tools().python, ROOT / "scripts" / "packaging" / "judge.py"]
    done = subprocess.run(argv, input=json.dumps(asked), check=False, capture_output=True, text=True, timeout=240)
    if done.returncode:
        raise SystemExit(f"judge.py failed:\n{done.stderr}")
    return {name: Release(**told) for name, told in json.loads(done.stdout).items()}


def golden(release: Release) -> str:
    """A release as its golden file has it."""
    kept = {name: text for name, text in release.manifests.items() if not name.endswith(DRAWN)}
    return "".join(f"# {name}\n{_without_trailing_space(text)}\n" for name, text in sorted(kept.items()))


def _without_trailing_space(text: str) -> str:
    return "\n".join(filter(None, (line.rstrip() for line in text.splitlines())))


HEAD = """\
# Helm chart of bwVisu

<!-- Made by `make docs` from values.yaml and values.schema.json. Do not edit. -->

A Deployment per role, network policies, disruption budgets, and where it is wanted etcd, ingresses and monitoring.
How it is installed, upgraded and backed up: [docs/kubernetes.md](../../docs/kubernetes.md). `ci/` holds five complete
sets of values. Kubernetes {kube}, Helm 3.10 or newer.

| value | default | what it is for |
| --- | --- | --- |
"""


def readme() -> str:
    """The chart's page: every value with its default."""
    kube = yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"].removeprefix(">=").partition(".0-")[0]
    schema = json.loads((CHART / "values.schema.json").read_text())
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    rows = (f"| `{path}` | {_shown(default)} | {words} |\n" for path, default, words in _rows(schema, schema, defaults))
    return HEAD.format(kube=f"{kube} or newer") + "".join(rows)


def _rows(schema: Any, node: Any, default: Any, path: str = "") -> Iterator[tuple[str, Any, str]]:
    """Path, default and description of each value that the schema tells apart, in its order."""
    for name, each in node["properties"].items():
        if path == "" and name not in default:
            continue
        found = schema["$defs"][each["$ref"].rpartition("/")[2]] | each if "$ref" in each else each
        here, value = f"{path}{name}", default.get(name)
        if found.get("additionalProperties") is False and "properties" in found:
            yield from _rows(schema, found, value or {}, f"{here}.")
        else:
            yield here, value, found["description"].replace("|", "\\|")


def _shown(default: Any) -> str:
    return "" if default in ("", None, {}, []) else f"`{json.dumps(default)}`"


def write_golden() -> None:
    """What is rendered now is what is wanted."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name, release in judge({name: values_of(name) for name in SETS}).items():
        if release.refused:
            raise SystemExit(f"{name}: {release.refused}")
        (GOLDEN / f"{name}.yaml").write_text(golden(release))


def write_sbom(target: Path) -> None:
    """CycloneDX, from the locks: the image is made of nothing else beside Debian's packages, which dpkg lists."""
    tools = Tools()
    tools.ensure()
    python = target.with_suffix(".python.json")
    run([
        tools.tool("cyclonedx-py"),
        *("requirements", "--no-validate", "--output-reproducible", "--spec-version", "1.6", "--output-file", python),
        ROOT / "constraints-image.txt",
    ])  # fmt: skip
    bill = json.loads(python.read_text())
    python.unlink()
    project = yaml.safe_load((CHART / "Chart.yaml").read_text())
    bill["metadata"]["component"] = {
        "type": "application",
        "bom-ref": "bwvisu",
        "name": "bwvisu",
        "version": project["appVersion"],
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    bill["components"] += _npm_components()
    target.write_text(json.dumps(bill, indent=2) + "\n")


def _npm_components() -> list[dict[str, Any]]:
    """What the portal's pages load; npm's lock has no other packages that are not for development."""
    packages = json.loads((ROOT / "frontend" / "package-lock.json").read_text())["packages"]
    used = {path.rpartition("node_modules/")[2]: it for path, it in packages.items() if path and not it.get("dev")}
    return [
        {
            "type": "library",
            "bom-ref": f"pkg:npm/{name}@{it['version']}",
            "name": name,
            "version": it["version"],
            "purl": f"pkg:npm/{name.replace('@', '%40')}@{it['version']}",
        }
        for name, it in sorted(used.items())
    ]


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says."""
    match list(arguments):
        case ["--install"]:
            Tools().ensure()
        case ["--golden"]:
            Tools().ensure()
            write_golden()
        case ["--sbom", target]:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            write_sbom(Path(target))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
