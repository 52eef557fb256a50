"""An application of the original's example, and the life of a job of it as the leader sees it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bwvisu.domain.job import JobStatus, Moment, Service, SlurmView
from bwvisu.domain.lifecycle import Outcome, Phase, State
from tests.contract.api.service import cluster_settings

XPRA = """\
title: Xpra
ports: [{name: web, protocol: http}]
parameters:
  minutes: {type: integer, minimum: 1, maximum: 1440, default: 60, unit: min}
  nodes: {type: integer, minimum: 1, maximum: 8, default: 1}
  tasks: {type: integer, minimum: 1, maximum: 64, default: 1}
  image: {type: path}
  partition: {type: string, required: false}
original:
  template-name: template_xpra.txt
  variables:
    expected_runtime_in_minutes: minutes
    number_of_nodes: nodes
    tasks_per_node: tasks
    image_name: image
    partition: partition
"""
SCRIPT = """\
#!/bin/bash
#SBATCH --time={{ minutes }} --nodes={{ nodes }} --ntasks-per-node={{ tasks }}
{% if partition %}
#SBATCH --partition={{ partition }}
{% endif %}
#KEYHOLE-REQUEST-PORTS 1
singularity run {{ image }}
"""
_AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_GATEWAY = {
    "name": "gw1",
    "host": "gw1",
    "user": "bwvisu",
    "internal_ip": "10.9.0.1",
    "external_ip": "192.0.2.9",
    "external_host": "{id}.gw1.example.org",
}
CLUSTER = cluster_settings(gateways=[_GATEWAY], compute_networks=["10.0.0.0/24"])
_PENDING = SlurmView(
    job_id=4711,
    state="PENDING",
    reason="Priority",
    partition="gpu",
    submitted_at=_AT,
    expected_start_at=_AT + timedelta(minutes=3),
    time_limit=900,
)
_STARTED = _PENDING.model_copy(
    update={
        "state": "RUNNING",
        "reason": None,
        "nodes": ("node1", "node2"),
        "started_at": _AT + timedelta(minutes=1),
        "ends_at": _AT + timedelta(minutes=16),
    }
)
_WEB = Service(
    name="web",
    protocol="http",
    gateway="gw1",
    external_host="01jd.gw1.example.org",
    external_port=50007,
    internal_host="node1",
    internal_port=50001,
)


def _status(phase: Phase, slurm: SlurmView, *states: State, **more: Any) -> JobStatus:
    timeline = tuple(Moment(state=state, at=_AT) for state in states)
    return JobStatus(phase=phase, attempt=1, slurm=slurm, timeline=timeline, services=(_WEB,), **more)


_LIFE = (State.SUBMITTED, State.RUNNING, State.AVAILABLE)
SEEN: Mapping[str, JobStatus] = {
    "submitted": _status(Phase.QUEUED, _PENDING, State.SUBMITTED),
    "running": _status(Phase.RUNNING, _STARTED, *_LIFE[:2]),
    "available": _status(Phase.READY, _STARTED, *_LIFE),
    "unanswered": _status(Phase.RUNNING, _STARTED, *_LIFE, State.RUNNING),
    "completing": _status(Phase.ENDING, _STARTED.model_copy(update={"state": "COMPLETING"}), *_LIFE, State.COMPLETING),
    "finished": _status(
        Phase.FINISHED,
        _STARTED.model_copy(update={"state": "COMPLETED"}),
        *_LIFE,
        State.FINISHED,
        outcome=Outcome.COMPLETED,
        exit_code=0,
    ),
}
