"""What can still be known of a record that cannot be read: whose ports are whose.  Pure.

A newer version may have stored a phase that this one does not know, and a record may be damaged.  Nothing is done by
such a record, and nothing may be done against it: its ports stay owned until somebody has mended it.
"""

import json
from typing import Any

from pydantic import ValidationError

from keyhole.domain import Grant, GrantPhase, JobForwards


def salvage(job_id: str, value: bytes) -> JobForwards:
    """The grants whose gateway, hosts and ports can be read, as if quarantined: owned, and led to by nobody.

    What cannot be read is left out; never raises.
    """
    try:
        told = json.loads(value)
    except ValueError:  # of bytes that are no text, too
        told = None
    record = told if isinstance(told, dict) else {}
    cluster, grants = record.get("cluster"), record.get("grants")
    found = [_owner(each) for each in grants] if isinstance(grants, list) else []
    return JobForwards(
        job_id=job_id,
        cluster=cluster if isinstance(cluster, str) else "",
        grants=tuple(grant for grant in found if grant is not None),
    )


def _owner(told: Any) -> Grant | None:
    if not isinstance(told, dict):
        return None
    unknown = {"attempt": 0, "restart": 0, "external_host": "", "hosts": ()}
    try:
        return Grant.model_validate({**unknown, **told, "phase": GrantPhase.QUARANTINED})
    except ValidationError:
        return None
