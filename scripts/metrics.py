"""Every metric of every role, taken from the very registries that the roles fill: what docs and tests compare with."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.metrics import MetricWrapperBase
from starlette.types import Receive, Scope, Send

from bwvisu.adapters.bundles import Catalogue
from bwvisu.adapters.etcd import Etcd, MeasuredStore
from bwvisu.adapters.records import Keys
from bwvisu.api.app import make_app
from bwvisu.portal.metrics import PageMetrics
from bwvisu.roles.api import api_context
from bwvisu.roles.base import Base, process_metrics
from bwvisu.roles.keyhole import count_keyhole
from bwvisu.roles.metrics import LeaderMetrics
from bwvisu.settings import ClusterSettings, Settings

HEAD = """\
# Metrics

<!-- Made by `make docs` from the code (scripts/metrics.py). Do not edit. -->

Where each role is asked: [operations.md](operations.md#what-to-watch). When an alert rings: [runbook.md](runbook.md).
Labels are names that the settings give, states and results, never a job, a person or an address. What is not known is
missing, not 0. Histograms have `_bucket`, `_sum` and `_count`.
"""
WHOLE = {
    "every process but the portal": "Of the process as a whole, shown by each of its roles; `process_*` (memory, "
    "processor time, file descriptors) are those of Prometheus' client library.",
    "api": "The REST API: `GET /metrics` at its own port.",
    "keyhole": "Where `keyhole.metrics` says.",
    "reconciler": "Where `leader.metrics` says. What is told of a cluster is told by the one that leads: sums over "
    "all reconcilers are right for what is counted, and a maximum for what is measured.",
    "portal": "`GET /metrics` at its own port.",
}


@dataclass(frozen=True, slots=True)
class Family:
    """One metric."""

    name: str
    """As Prometheus has it: a counter with ``_total``; a histogram without a suffix."""
    kind: str
    labels: tuple[str, ...]
    words: str

    @property
    def series(self) -> tuple[str, ...]:
        """The names that can be asked for."""
        if self.kind == "histogram":
            return tuple(f"{self.name}_{suffix}" for suffix in ("bucket", "sum", "count"))
        return (self.name,)


def families(registry: CollectorRegistry) -> Iterator[Family]:
    """What a registry has, whether or not anything was counted yet; none of another one that it shows."""
    for collector in registry._collector_to_names:  # its public face shows labels only where something was counted
        for metric in getattr(collector, "describe", tuple)():
            yield _family(metric, collector)


def _family(metric: Metric, collector: object) -> Family:
    source: Any = collector if isinstance(collector, MetricWrapperBase) else metric
    name = f"{metric.name}_total" if metric.type == "counter" else metric.name
    return Family(name, metric.type, tuple(getattr(source, "_labelnames", ())), metric.documentation)


@functools.cache
def everything() -> Mapping[str, Sequence[Family]]:
    """By role, in the order of their names; nothing is listened on and nobody is asked."""
    process = process_metrics()
    settings = Settings(clusters={"main": ClusterSettings.model_validate(_CLUSTER)})
    base = Base(settings, MeasuredStore(Etcd([]), process), Keys("/bwvisu"))
    api, keyhole, leader, portal = (CollectorRegistry() for _ in range(4))
    app = make_app(api_context(base, Catalogue(settings.applications.path)), (), api)
    jobs_api = FastAPI()
    count_keyhole(jobs_api, keyhole, base.random)
    for each in (app, jobs_api):
        each.build_middleware_stack()
    LeaderMetrics(leader, base.monotonic)
    PageMetrics(_nothing, portal)
    found = zip(WHOLE, (process, api, keyhole, leader, portal), strict=True)
    return {role: sorted(_ours(registry), key=lambda family: family.name) for role, registry in found}


_CLUSTER = {
    "ssh": {"key_file": "key", "known_hosts": "known_hosts"},
    "command_nodes": [{"host": "login1", "user": "bwvisu"}],
}


def _ours(registry: CollectorRegistry) -> Iterator[Family]:
    return (family for family in families(registry) if family.name.startswith("bwvisu_"))


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands behind a middleware that is asked for its metrics only: nobody calls it."""


def render() -> str:
    """The page."""
    lines = [HEAD]
    for role, words in WHOLE.items():
        lines += [f"## {role}\n", f"{words}\n", "| metric | kind | what it tells |", "| --- | --- | --- |"]
        for each in everything()[role]:
            labels = f"{{{','.join(each.labels)}}}" if each.labels else ""
            lines.append(f"| `{each.name}{labels}` | {each.kind} | {each.words} |")
        lines.append("")
    return "\n".join(lines)
