"""The chart's dashboard for Grafana, drawn by `make docs`: what is counted, a panel each."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH, HEIGHT, COLUMNS = 8, 7, 3


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph: what is asked, how its lines are called (labels in braces), its unit in Grafana's words."""

    title: str
    expression: str
    legend: str
    unit: str = "short"
    words: str = ""


def _quantile(metric: str, label: str, share: float = 0.95) -> str:
    return f"histogram_quantile({share}, sum by (le, {label}) (rate({metric}_bucket[$__rate_interval])))"


ROWS: dict[str, Sequence[Panel]] = {
    "API": (
        Panel(
            "Requests",
            "sum by (operation) (rate(bwvisu_api_requests_total[$__rate_interval]))",
            "{{operation}}",
            "reqps",
        ),
        Panel(
            "Answers that are errors",
            'sum by (status) (rate(bwvisu_api_requests_total{status=~"[45].."}[$__rate_interval]))',
            "{{status}}",
            "reqps",
            "429: somebody asks too often; 503: etcd does not answer; 500: a defect.",
        ),
        Panel("Time to the answer, 95 %", _quantile("bwvisu_api_request_seconds", "operation"), "{{operation}}", "s"),
        Panel("Event streams", "bwvisu_event_streams", "{{pod}}", words="The most of a replica is api.streams."),
        Panel(
            "Streams that began anew",
            "sum by (reason) (delta(bwvisu_event_resyncs[$__interval]))",
            "{{reason}}",
            words="too-slow: their readers do not keep up.",
        ),
        Panel("Applications", "max(bwvisu_applications)", "served"),
    ),
    "What is known": (
        Panel(
            "Age of the API's copy of etcd",
            "max by (mirror) (bwvisu_mirror_age_seconds)",
            "{{mirror}}",
            "s",
            "Up to 60 s is usual; above 70 s etcd does not answer.",
        ),
        Panel("Changes that a watch had lost", "sum by (mirror) (bwvisu_mirror_repairs)", "{{mirror}}"),
        Panel("Unreadable records", "max by (kind) (bwvisu_unreadable_records)", "{{kind}}"),
        Panel("Broken applications", "max(bwvisu_broken_applications)", "broken"),
    ),
    "Portal": (
        Panel("Pages", "sum by (page) (rate(bwvisu_portal_requests_total[$__rate_interval]))", "{{page}}", "reqps"),
        Panel("Time to the page, 95 %", _quantile("bwvisu_portal_request_seconds", "page"), "{{page}}", "s"),
        Panel("Open pages", "bwvisu_portal_event_streams", "{{pod}}"),
    ),
    "etcd of the chart": (
        Panel("Has a leader", "min by (pod) (etcd_server_has_leader)", "{{pod}}"),
        Panel("Space used", "max by (pod) (etcd_mvcc_db_total_size_in_bytes)", "{{pod}}", "bytes"),
        Panel(
            "Time to write to disk, 99 %",
            _quantile("etcd_disk_wal_fsync_duration_seconds", "pod", 0.99),
            "{{pod}}",
            "s",
        ),
    ),
}


def _panels() -> Iterator[dict[str, Any]]:
    number, top = 1, 0
    for title, panels in ROWS.items():
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": WIDTH * COLUMNS, "h": 1},
        }
        number, top = number + 1, top + 1
        for position, panel in enumerate(panels):
            place = {"x": position % COLUMNS * WIDTH, "y": top + position // COLUMNS * HEIGHT, "w": WIDTH, "h": HEIGHT}
            yield _graph(number, panel, place)
            number += 1
        top += -(-len(panels) // COLUMNS) * HEIGHT


def _graph(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.words,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": "A", "datasource": SOURCE, "expr": panel.expression, "legendFormat": panel.legend},
        ],
    }


def render() -> str:
    """The dashboard's JSON, in the schema of Grafana 10 and newer."""
    source = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    board = {
        "uid": "bwvisu",
        "title": "bwVisu",
        "tags": ["bwvisu"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [source]},
        "panels": list(_panels()),
    }
    return json.dumps(board, indent=2) + "\n"
