"""The keyhole's API on loopback, real but for its records: those are in memory, and the test is the leader."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from keyhole.api import Limits, make_app
from keyhole.auth import Call, attempt_key, signature
from keyhole.domain import Forward, Grant, GrantPhase, PortRequest, Refusal, Report, Run
from keyhole.interfaces import LedgerUnavailable
from tests.support.waiting import until

JOB = "01jd0000000000000000000000"
SECRET = b"the secret of the job, 32 bytes."
FIRST = Run(1, 0)


@dataclass
class MemoryLedger:
    """A `keyhole.interfaces.Ledger` that a test fills, reads and breaks."""

    secrets: dict[str, bytes] = field(default_factory=lambda: {JOB: SECRET})
    requests: dict[tuple[str, Run], PortRequest] = field(default_factory=dict)
    reports: dict[tuple[str, Run, int], Report] = field(default_factory=dict)
    answers: dict[tuple[str, Run], Grant | Refusal] = field(default_factory=dict)
    down: bool = False

    async def secret(self, job_id: str) -> bytes | None:
        self._reach()
        return self.secrets.get(job_id)

    async def add_request(self, request: PortRequest) -> PortRequest:
        self._reach()
        return self.requests.setdefault((request.job_id, request.run), request)

    async def add_report(self, report: Report) -> bool:
        self._reach()
        return self.reports.setdefault((report.job_id, report.run, report.seq), report) is report

    async def answer(self, job_id: str, run: Run, seconds: float) -> Grant | Refusal | None:
        self._reach()
        await asyncio.to_thread(self._wait, (job_id, run), seconds)
        return self.answers.get((job_id, run))

    def said(self) -> list[tuple[str, int | None]]:
        """What the job has reported, in its own order."""
        return [(report.event, report.port) for _, report in sorted(self.reports.items())]

    def _wait(self, whom: tuple[str, Run], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while whom not in self.answers and time.monotonic() < deadline:
            time.sleep(0.01)

    def _reach(self) -> None:
        if self.down:
            raise LedgerUnavailable("etcd: no leader")


def grant(*ports: int, run: Run = FIRST, gateway: str = "gw1") -> Grant:
    """An open grant: external ports are 10000 below the internal ones."""
    forwards = tuple(
        Forward(external_port=port - 10000, internal_host="n1", internal_address="10.0.0.1", internal_port=port)
        for port in ports
    )
    return Grant(
        attempt=run.attempt,
        restart=run.restart,
        gateway=gateway,
        external_host=f"{gateway}.example.org",
        hosts=("n1",),
        forwards=forwards,
        phase=GrantPhase.OPEN,
    )


def app(ledger: MemoryLedger, limits: Limits | None = None, clock_offset: float = 0.0) -> FastAPI:
    """The API with a clock that is ``clock_offset`` seconds ahead."""
    return make_app(
        ledger,
        limits or Limits(answer_seconds=0.2, body_seconds=1.0),
        clock=lambda: datetime.now(UTC) + timedelta(seconds=clock_offset),
    )


def signed(
    path: str,
    body: bytes,
    *,
    key: str = attempt_key(SECRET, 1),
    at: float | None = None,
    nonce: str = "a-nonce-0123",
) -> dict[str, str]:
    """Headers of a client that knows ``key`` and believes that it is ``at``."""
    timestamp = str(int(time.time() if at is None else at))
    return {
        "X-Keyhole-Timestamp": timestamp,
        "X-Keyhole-Nonce": nonce,
        "X-Keyhole-Signature": signature(key, Call("POST", path, body), timestamp, nonce),
    }


@dataclass(frozen=True)
class Tls:
    """Files of a server's certificate."""

    certificate: Path
    key: Path


@contextmanager
def serving(application: FastAPI, tls: Tls | None = None) -> Iterator[str]:
    """Serve on a free port of loopback, in a thread; gives the base address."""
    config = uvicorn.Config(application, port=0, log_level="critical", lifespan="off")
    if tls:
        config.ssl_certfile, config.ssl_keyfile = str(tls.certificate), str(tls.key)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        server.force_exit = server.should_exit = True
        thread.join(10)
