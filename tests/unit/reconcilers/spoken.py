"""What alice's job tells the keyhole."""

from typing import Any

from keyhole.domain import PortRequest, Report
from tests.unit.planning.build import ID, NOW


def report(**fields: Any) -> Report:
    whole = {"job_id": ID, "attempt": 1, "restart": 0, "seq": 1, "event": "started", "received_at": NOW}
    return Report.model_validate({**whole, **fields})


def request(**fields: Any) -> PortRequest:
    whole = {"attempt": 1, "restart": 0, "slurm_job_id": 7, "hosts": ("node1",), "ports": 1, "received_at": NOW}
    return PortRequest.model_validate({"job_id": ID, **whole, **fields})
