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


def _rate(metric: str, labels: str) -> str:
    return f"sum by ({labels}) (rate({metric}[$__rate_interval]))"


def _grown(metric: str, labels: str) -> str:
    return f"sum by ({labels}) (increase({metric}[$__rate_interval]))"


def _fastest(metric: str) -> str:
    """Each replica of the API tells the same."""
    return f"max by (cluster, gateway) (rate({metric}[$__rate_interval]))"


ROWS: dict[str, Sequence[Panel]] = {
    "Jobs": (
        Panel("Jobs", 'max by (cluster, state) (bwvisu_jobs{state!="finished"})', "{{cluster}} {{state}}"),
        Panel("Jobs that ended", _grown("bwvisu_jobs_finished_total", "outcome"), "{{outcome}}"),
        Panel("Time to available, 95 %", _quantile("bwvisu_job_available_seconds", "cluster"), "{{cluster}}", "s"),
        Panel("Time in Slurm's queue, 50 %", _quantile("bwvisu_job_queue_seconds", "cluster", 0.5), "{{cluster}}", "s"),
        Panel("Time in a state, 95 %", _quantile("bwvisu_job_state_seconds", "state"), "{{state}}", "s"),
        Panel(
            "Submissions",
            _grown("bwvisu_submissions_total", "result"),
            "{{result}}",
            words="not-started: no command node took it, it is tried again; unknown: it is being resolved.",
        ),
        Panel("Submissions in doubt, resolved", _grown("bwvisu_submissions_resolved_total", "result"), "{{result}}"),
    ),
    "The leader and Slurm": (
        Panel("Leads", "max by (pod) (bwvisu_leader)", "{{pod}}"),
        Panel("Elections", "sum(increase(bwvisu_leader_terms_total[$__rate_interval]))", "terms"),
        Panel("Age of the last look at the queue", "max by (cluster) (bwvisu_squeue_age_seconds)", "{{cluster}}", "s"),
        Panel("Time of a look, 95 %", _quantile("bwvisu_squeue_seconds", "cluster"), "{{cluster}}", "s"),
        Panel("Looks", _grown("bwvisu_squeue_looks_total", "result"), "{{result}}"),
        Panel(
            "Passes that failed",
            'sum by (loop, result) (increase(bwvisu_loop_passes_total{result!="done"}[$__rate_interval]))',
            "{{loop}} {{result}}",
        ),
        Panel("Time of a pass, 95 %", _quantile("bwvisu_loop_pass_seconds", "loop"), "{{loop}}", "s"),
        Panel("SSH calls", _grown("bwvisu_ssh_calls_total", "result"), "{{result}}"),
        Panel("Time of an SSH call, 95 %", _quantile("bwvisu_ssh_call_seconds", "host"), "{{host}}", "s"),
        Panel(
            "SSH sessions", "max by (host) (bwvisu_ssh_sessions)", "{{host}}", words="sshd's MaxSessions is the most."
        ),
        Panel("Hosts that fail", "max by (host) (bwvisu_ssh_host_failing)", "{{host}}"),
    ),
    "Gateways": (
        Panel("Forwards", "max by (cluster, gateway) (bwvisu_gateway_forwards)", "{{gateway}}"),
        Panel("Usable", "min by (cluster, gateway) (bwvisu_gateway_usable)", "{{gateway}}"),
        Panel("Connections", "max by (cluster, gateway) (bwvisu_gateway_connections)", "{{gateway}}"),
        Panel("From users", _fastest("bwvisu_gateway_received_bytes_total"), "{{gateway}}", "Bps"),
        Panel("To users", _fastest("bwvisu_gateway_sent_bytes_total"), "{{gateway}}", "Bps"),
        Panel("Behind", "max by (cluster, gateway) (bwvisu_gateway_sync_lag_seconds)", "{{gateway}}", "s"),
        Panel("Passes over rules", _grown("bwvisu_gateway_syncs_total", "outcome"), "{{outcome}}"),
        Panel("Changes", _grown("bwvisu_gateway_changes_total", "change"), "{{change}}"),
        Panel("Drift that was repaired", _grown("bwvisu_gateway_drift_repaired_total", "gateway"), "{{gateway}}"),
        Panel("Foreign rules", "max by (cluster, gateway) (bwvisu_gateway_foreign_rules)", "{{gateway}}"),
        Panel("Probes", _grown("bwvisu_probes_total", "result"), "{{result}}"),
        Panel("Jobs that wait for ports", "max by (cluster) (bwvisu_forward_requests_waiting)", "{{cluster}}"),
    ),
    "Keyhole": (
        Panel("Calls", _rate("bwvisu_keyhole_requests_total", "call, status"), "{{call}} {{status}}", "reqps"),
        Panel("Time to the answer, 95 %", _quantile("bwvisu_keyhole_request_seconds", "call"), "{{call}}", "s"),
    ),
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
            "Age of copies of etcd",
            "max by (mirror) (bwvisu_mirror_age_seconds)",
            "{{mirror}}",
            "s",
            "Up to 60 s is usual; above 70 s etcd does not answer.",
        ),
        Panel("Changes that a watch had lost", "sum by (mirror) (bwvisu_mirror_repairs)", "{{mirror}}"),
        Panel("Unreadable records", "max by (kind) (bwvisu_unreadable_records)", "{{kind}}"),
        Panel("Broken applications", "max(bwvisu_broken_applications)", "broken"),
        Panel("Calls of etcd", _rate("bwvisu_etcd_requests_total", "result"), "{{result}}", "reqps"),
        Panel("Time of a call of etcd, 99 %", _quantile("bwvisu_etcd_request_seconds", "call", 0.99), "{{call}}", "s"),
        Panel("Releases", "sum by (version) (bwvisu_build_info)", "{{version}}"),
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
