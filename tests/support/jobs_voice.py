"""Speaking to a real keyhole as a running job does: with the key of its attempt, which only its script knows."""

import base64
import json
import secrets
from pathlib import Path
from typing import Any

import httpx2

from bwvisu.adapters.vault import read_vault
from bwvisu.cli.local import LocalService
from keyhole.auth import attempt_key
from tests.support.chaos import record
from tests.support.keyhole_api import signed


def speak(service: LocalService, job_id: str, call: str, *, attempt: int = 1, **message: Any) -> httpx2.Response:
    """One signed call (``forwards`` or ``reports``) of a job's first start; whatever the answer is."""
    path = f"/keyhole/v1/jobs/{job_id}/{call}"
    body = json.dumps({"attempt": attempt, "restart": 0, **message}).encode()
    headers = signed(path, body, key=attempt_key(_secret(service, job_id), attempt), nonce=secrets.token_hex(8))
    (url,) = service.settings["keyhole"]["public_urls"]
    return httpx2.post(url + path, content=body, headers=headers, timeout=40)


def _secret(service: LocalService, job_id: str) -> bytes:
    stored = base64.b64decode(record(service, f"secrets/{job_id}")["value"])
    return read_vault([Path(file) for file in service.settings["secrets"]["key_files"]]).open(job_id, stored)
