"""One example of each document that clients meet, for the OpenAPI description; a test holds them to their models."""

from typing import Any

_SERVICE = {
    "name": "web",
    "protocol": "http",
    "gateway": "gw1",
    "external_host": "gw1.example.org",
    "external_port": 50007,
    "internal_host": "node1",
    "internal_port": 50001,
    "reachable": True,
    "connections": 1,
    "bytes_in": 48213,
    "bytes_out": 1874002,
    "last_active_at": "2026-11-22T21:13:40Z",
}
_JOB: dict[str, Any] = {
    "id": "01m82hndm0zsymx0z7qcwtk89s",
    "user": "alice",
    "application": "terminal",
    "cluster": "main",
    "parameters": {"minutes": 30, "cores": 1, "memory": 0, "directory": "", "partition": ""},
    "wanted": "running",
    "state": "available",
    "outcome": None,
    "reason": None,
    "services": [_SERVICE],
    "moved_at": None,
    "slurm": {
        "job_id": 4711,
        "state": "RUNNING",
        "reason": None,
        "nodes": ["node1"],
        "partition": "batch",
        "expected_start_at": None,
        "started_at": "2026-11-22T21:12:47Z",
        "ends_at": "2026-11-22T21:42:47Z",
        "time_limit_minutes": 30,
    },
    "timeline": [
        {"state": "accepted", "at": "2026-11-22T21:12:46.464652Z"},
        {"state": "submitted", "at": "2026-11-22T21:12:46.547728Z"},
        {"state": "running", "at": "2026-11-22T21:12:47.613801Z"},
        {"state": "available", "at": "2026-11-22T21:12:52.547680Z"},
    ],
    "created_at": "2026-11-22T21:12:46.464652Z",
    "exit_code": None,
    "extension": None,
    "idle": {"stop_after_minutes": 60, "since": "2026-11-22T21:13:40Z", "warned": False, "stops_at": None},
    "revision": 151,
}
_APPLICATION: dict[str, Any] = {
    "name": "terminal",
    "title": "Terminal",
    "summary": "A shell on a compute node, in the browser.",
    "version": "1.0",
    "category": "Tools",
    "ports": [{"name": "web", "protocol": "http", "path": "/terminals/1"}],
    "clusters": ["main"],
    "parameters": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Terminal",
        "type": "object",
        "properties": {
            "minutes": {"type": "integer", "minimum": 5, "maximum": 1440, "title": "Run time", "default": 60}
        },
        "required": [],
        "additionalProperties": False,
    },
    "cluster_parameters": {},
    "digest": "c8e8275a27f0f9a4a9f9a8e0a1ba2cf6f7e3ac1c6e4c2f3a83e9a2a4f1c1b0d7",
}
_CLUSTER: dict[str, Any] = {
    "name": "main",
    "title": "Main cluster",
    "command_nodes": [{"name": "login1", "reachable": True, "detail": ""}],
    "gateways": [
        {
            "name": "gw1",
            "reachable": True,
            "detail": "",
            "forwards": 3,
            "drained": False,
            "vacated": False,
            "connections": 4,
            "bytes_in": 921034,
            "bytes_out": 40123551,
        },
        {
            "name": "gw2",
            "reachable": False,
            "detail": "no answer for 25 s",
            "forwards": 0,
            "drained": True,
            "vacated": False,
            "connections": None,
            "bytes_in": None,
            "bytes_out": None,
        },
    ],
    "looked_at": "2026-11-22T21:13:41Z",
    "look_age_seconds": 2.4,
    "detail": "",
    "partitions": [
        {"name": "batch", "state": "up", "default": True, "time_limit_minutes": 4320, "nodes": 120},
        {"name": "gpu", "state": "down", "default": False, "time_limit_minutes": None, "nodes": 8},
    ],
    "limits": {
        "running_per_user": 4,
        "waiting_per_user": 6,
        "extend_to_minutes": 1440,
        "idle_stop": {
            "minimum_minutes": 10,
            "maximum_minutes": 10080,
            "never_allowed": True,
            "warning_seconds": 300,
        },
    },
}
_AUDIT: dict[str, Any] = {
    "action": "cancelJob",
    "result": "accepted",
    "by": "portal",
    "behalf_of": None,
    "requested_by": "carol",
    "source": "10.0.0.7",
    "job": "01m82hndm0zsymx0z7qcwtk89s",
    "user": "alice",
    "cluster": None,
    "gateway": None,
    "reason": None,
    "at": "2026-11-22T21:20:02.101220Z",
}

EXAMPLES: dict[str, dict[str, Any]] = {
    "JobView": _JOB,
    "JobPage": {"items": [_JOB], "next_cursor": "MTM5LjAxbTgyaG5kbTB6c3lteDB6N3Fjd3RrODlz"},
    "AccessView": {
        "url": "http://gw1.example.org:50007/terminals/1",
        "password": "dbrp63griyg6mcpd",
        "native": None,
        "form": {
            "action": "http://gw1.example.org:50007/login?next=/terminals/1",
            "fields": {"password": "dbrp63griyg6mcpd"},
        },
    },
    "ApplicationView": _APPLICATION,
    "ApplicationList": {
        "items": [_APPLICATION],
        "broken": [{"name": "terminal", "problems": ["job.sh.j2, line 4: unexpected '}'"], "served": True}],
    },
    "ClusterStatus": _CLUSTER,
    "ClusterList": {"items": [_CLUSTER], "notify": ["available", "ending", "idle", "failed"]},
    "AuditEntry": _AUDIT,
    "AuditList": {"items": [_AUDIT]},
    "UsageList": {"items": [{"user": "alice", "in_slurm": 2, "waiting": 1}]},
    "UserView": {"user": "alice", "cluster": "main"},
}
"""Name of the schema -> an instance."""
