"""The schema, the defaults and the words about them say the same."""

import json
from typing import Any

import yaml

from scripts.chart import CHART, readme


def leaves(value: Any, where: str = "") -> set[str]:
    """Every place of the defaults that holds no further names."""
    if isinstance(value, dict) and value:
        return {leaf for key, inner in value.items() for leaf in leaves(inner, f"{where}.{key}".lstrip("."))}
    return {where}


def test_every_default_is_told_of_and_everything_told_has_a_default() -> None:
    defaults = leaves(yaml.safe_load((CHART / "values.yaml").read_text()))
    told = {line.split("`")[1] for line in readme().splitlines() if line.startswith("| `")}
    assert {leaf for leaf in defaults if not any(leaf == it or leaf.startswith(f"{it}.") for it in told)} == set()
    assert {it for it in told if not any(leaf == it or leaf.startswith(f"{it}.") for leaf in defaults)} == set()


def test_every_value_has_a_sentence() -> None:
    def unsaid(node: Any, where: str) -> list[str]:
        found = [f"{where}.{name}" for name, each in node.get("properties", {}).items() if "description" not in each]
        return found + [gap for name, each in node.get("properties", {}).items() for gap in unsaid(each, name)]

    schema = json.loads((CHART / "values.schema.json").read_text())
    of_kubernetes = {"clusters", "name", "ipBlock", "namespaceSelector", "podSelector"}
    gaps = unsaid(schema, "") + [gap for name, each in schema["$defs"].items() for gap in unsaid(each, name)]
    assert [gap for gap in gaps if gap.rpartition(".")[2] not in of_kubernetes] == []
