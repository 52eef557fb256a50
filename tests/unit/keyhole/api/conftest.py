"""A client that signs what it sends, over the ASGI wire."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from tests.support.keyhole_api import JOB, MemoryLedger, app, signed

FORWARDS = {"attempt": 1, "restart": 0, "slurm_job_id": 4711, "hosts": ["n1", "n2"], "ports": 2}
REPORT = {"attempt": 1, "restart": 0, "seq": 1, "event": "listening", "port": 50001}

Post = Callable[..., Awaitable[httpx2.Response]]


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
async def wire(ledger: MemoryLedger) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app(ledger), raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://keyhole")


@pytest.fixture
def post(wire: httpx2.AsyncClient) -> Post:
    """Sign and send: ``post("forwards", body, job=…, headers=…, **signing)``."""

    async def send(
        call: str, body: Any, *, job: str = JOB, headers: dict[str, str] | None = None, **signing: Any
    ) -> httpx2.Response:
        path = f"/keyhole/v1/jobs/{job}/{call}"
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await wire.post(path, content=content, headers=headers or signed(path, content, **signing))

    return send


def slug(response: httpx2.Response) -> str:
    """The kind of problem that an answer is; fails when it is not a whole one."""
    content = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert content["status"] == response.status_code
    assert content["title"]
    assert content["detail"]
    return str(content["type"]).removeprefix("/problems/")
