"""What Helm makes of the chart's own sets of values, and what it refuses: one run for all tests."""

from collections.abc import Mapping
from typing import Any

import pytest

from scripts import chart
from scripts.chart import Release, Tools, judge, values_of

REFUSED: Mapping[str, dict[str, Any]] = {
    "no cluster": {"settings": {"clusters": {}}},
    "one reconciler": {"reconciler": {"replicas": 1}},
    "an unknown value": {"reconcilers": {"replicas": 3}},
    "a file that is not there": {"files": {}},
    "an SSH key for the API": {"files": {"ssh": {"secret": "bwvisu-ssh", "roles": ["reconciler", "api"]}}},
    "a file of nothing": {"files": {"ssh": {"roles": ["reconciler"]}}},
    "an ingress without a name": {"portal": {"ingress": {"enabled": True}}},
    "etcd in the clear": {"etcd": {"enabled": True}},
    "two members": {"etcd": {"enabled": True, "replicas": 2, "tls": {"certManager": True}}},
}
"""Changes to the set `minimal`."""


def changed(name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A set of values with whole sections replaced; of ``settings``, with its keys replaced."""
    values = values_of(name)
    return {**values, **changes, "settings": {**values["settings"], **changes.get("settings", {})}}


@pytest.fixture(scope="session")
def judged() -> Mapping[str, Release]:
    """Every set, and every refused change, by name."""
    Tools().ensure()
    wrong = {name: changed("minimal", changes) for name, changes in REFUSED.items()}
    more = {"another": changed("minimal", {"settings": {"leader": {"ttl": 20}}})}
    return judge({name: values_of(name) for name in chart.SETS} | wrong | more)


@pytest.fixture(params=chart.SETS)
def name(request: pytest.FixtureRequest) -> str:
    """One set after another."""
    return str(request.param)


@pytest.fixture
def release(judged: Mapping[str, Release], name: str) -> Release:
    """The set's release."""
    return judged[name]
