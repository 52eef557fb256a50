"""What running jobs call: two signed POSTs, stored for the leader; any number of replicas, no state of their own.

Nothing is learnt by guessing: what is answered before authentication depends on the request alone, and an
unknown job and a wrong signature get the same answer.  A valid request is never refused because others fail,
so nobody can lock a job out by guessing at it.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, TypeVar

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect

from keyhole.auth import Accepted, Call, Credentials, Denied, Skewed, judge
from keyhole.domain import Grant, PortRequest, Refusal, Report
from keyhole.interfaces import Ledger, LedgerUnavailable
from keyhole.problems import Problem, bad_request, invalid, refused
from keyhole.throttle import Buckets

log = structlog.get_logger(__name__)

Clock = Callable[[], datetime]
"""The wall clock, with a time zone."""

_JOB_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one caller may ask of the API."""

    ports: int = 100
    """The largest cap of any cluster; the leader knows each cluster's own."""
    body_bytes: int = 68 * 1024
    """A report of 64 KB, and what JSON puts around it."""
    body_seconds: float = 10.0
    answer_seconds: float = 25.0
    """How long a request for ports waits for the leader before it gets 202."""
    reports: int = 1000
    """Per job: ``seq`` never exceeds this, and a job that is requeued gains no more than one a minute."""
    failures: int = 20
    """Failed authentications at once, per source address and per job."""
    failures_per_second: float = 0.2


_Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$")]


class _Claim(BaseModel):
    """What every body says: who speaks.  Unknown fields are a newer client's business."""

    model_config = ConfigDict(strict=True)
    attempt: int = Field(ge=1, le=1_000_000)


class _Run(_Claim):
    restart: int = Field(ge=0, le=10_000)


class _ForwardsBody(_Run):
    slurm_job_id: int = Field(ge=1, lt=2**63)
    hosts: tuple[_Host, ...] = Field(min_length=1, max_length=20_000)
    ports: int = Field(ge=1, le=65_535)


class _ReportBody(_Run):
    seq: int = Field(ge=0, lt=2**31)
    event: Literal["started", "listening", "port-taken", "exited"]
    port: int | None = Field(None, ge=1, le=65_535)
    exit_code: int | None = Field(None, ge=-255, le=255)
    log_tail: str | None = None


_Body = TypeVar("_Body", bound=_Run)
_Form = TypeVar("_Form", bound=BaseModel)


class _Keyhole:
    """The calls; one instance per replica."""

    def __init__(self, ledger: Ledger, limits: Limits, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._ledger = ledger
        self._limits = limits
        self._clock = clock
        self._monotonic = monotonic
        self._failures = Buckets(limits.failures, limits.failures_per_second)
        self._reports = Buckets(limits.reports, per_second=1 / 60)

    async def forwards(self, request: Request, job_id: str) -> Response:
        """Store what the run asks for, once, and wait for the leader's answer."""
        asked = await self._authenticated(request, job_id, "forwards", _ForwardsBody)
        if asked.ports > self._limits.ports:
            raise Problem(
                "too-many-ports", f"A job may have {self._limits.ports} ports at most.", limit=self._limits.ports
            )
        wanted = PortRequest(job_id=job_id, received_at=self._clock(), **asked.model_dump())
        stored = await self._ledger.add_request(wanted)
        if (stored.slurm_job_id, stored.hosts, stored.ports) != (wanted.slurm_job_id, wanted.hosts, wanted.ports):
            raise Problem(
                "different-request", "This run has asked before, with other hosts or another number of ports."
            )
        match await self._ledger.answer(job_id, wanted.run, self._limits.answer_seconds):
            case Grant() as grant:
                return JSONResponse({"forwards": self._public(grant)})
            case Refusal() as refusal:
                raise refused(refusal)
            case None:
                return Response(status_code=202, headers={"Retry-After": "1"})

    async def reports(self, request: Request, job_id: str) -> Response:
        """Store what the run says about itself; each ``seq`` once, which is the guard against replay."""
        said = await self._authenticated(request, job_id, "reports", _ReportBody)
        if said.event in {"listening", "port-taken"} and said.port is None:
            raise bad_request({"pointer": "/port", "detail": f"{said.event} needs a port"})
        wait = self._reports.take(job_id, self._monotonic())
        if wait or said.seq > self._limits.reports:
            raise Problem(
                "too-many-reports", f"A job may send {self._limits.reports} reports.", retry_after=max(wait, 60)
            )
        report = Report(job_id=job_id, received_at=self._clock(), **said.model_dump())
        if not await self._ledger.add_report(report):
            raise Problem("seq-used", f"This run has already sent its report number {said.seq}.")
        return Response(status_code=204)

    async def ready(self) -> Response:
        """Whether the records can be read, tried on a job that never exists."""
        await self._ledger.secret("readyz")
        return PlainTextResponse("ready\n")

    def _public(self, grant: Grant) -> list[dict[str, str | int]]:
        return [
            {
                "internal_port": forward.internal_port,
                "external_host": host,
                "external_port": port,
                "gateway": grant.gateway,
            }
            for forward in grant.forwards
            for host, port in [grant.public(forward)]
        ]

    async def _authenticated(self, request: Request, job_id: str, call: str, form: type[_Body]) -> _Body:
        """The body, once it is sure that the attempt which it names has sent it, and recently."""
        credentials = _credentials(request)
        if not credentials.well_formed:
            raise self._denied(request, job_id)
        body = await _read(request, self._limits)
        claim = _parse(_Claim, body)
        known = _JOB_ID.fullmatch(job_id)
        secret = await self._ledger.secret(job_id) if known else None
        signed = Call("POST", f"/keyhole/v1/jobs/{job_id}/{call}", body)
        match judge(secret, claim.attempt, signed, credentials, self._clock().timestamp()):
            case Denied():
                raise self._denied(request, job_id)
            case Skewed(server_time):
                raise Problem("clock-skew", "The request's time is not now.", server_time=server_time)
            case Accepted():
                return _parse(form, body)

    def _denied(self, request: Request, job_id: str) -> Problem:
        """The one answer to all who cannot prove who they are; who keeps failing gets 429 instead, and no log line."""
        source = request.client.host if request.client else "unknown"
        now = self._monotonic()
        wait = max(self._failures.take(key, now) for key in (f"from {source}", f"job {job_id[:64]}"))
        if wait:
            return Problem("too-many-failures", "Too many failed authentications.", retry_after=wait)
        log.warning("keyhole.not-authenticated", job=job_id[:64], source=source)
        return Problem("not-authenticated", "The request is not signed with the key of a known job.")


def make_app(ledger: Ledger, limits: Limits, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> FastAPI:
    """The ASGI application; see `Limits` for what it refuses and `problems.KINDS` for how."""
    keyhole = _Keyhole(ledger, limits, clock, monotonic)
    app = FastAPI(title="bwVisu keyhole", openapi_url=None, redirect_slashes=False)
    app.add_api_route("/keyhole/v1/jobs/{job_id}/forwards", keyhole.forwards, methods=["POST"])
    app.add_api_route("/keyhole/v1/jobs/{job_id}/reports", keyhole.reports, methods=["POST"])
    app.add_api_route("/readyz", keyhole.ready)
    app.add_api_route("/livez", _alive)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(LedgerUnavailable, _unavailable)
    app.add_exception_handler(404, _instead("not-found", "There is no such call."))
    app.add_exception_handler(405, _instead("method-not-allowed", "This call has another method."))
    app.add_exception_handler(Exception, _instead("internal", "This is a fault of the keyhole; it is in its log."))
    return app


def _credentials(request: Request) -> Credentials:
    return Credentials(*(request.headers.get(f"x-keyhole-{name}", "") for name in ("timestamp", "nonce", "signature")))


async def _read(request: Request, limits: Limits) -> bytes:
    """The body; never holds more than the limit and one chunk, never waits longer than the limit."""
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.body_bytes:
                    raise Problem(
                        "body-too-large", f"A body may have {limits.body_bytes} bytes.", limit=limits.body_bytes
                    )
    except (TimeoutError, ClientDisconnect) as error:
        raise Problem("slow-body", f"The body did not come within {limits.body_seconds:g} s.") from error
    return bytes(body)


def _parse(form: type[_Form], body: bytes) -> _Form:
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from error


async def _alive() -> Response:
    return PlainTextResponse("alive\n")


async def _problem(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)  # noqa: S101  the framework's handlers are typed for any exception
    return problem.response()


async def _unavailable(_: Request, error: Exception) -> Response:
    log.warning("keyhole.records-unreachable", reason=str(error))
    return Problem("unavailable", "The keyhole's records cannot be reached; try again.", retry_after=2).response()


def _instead(slug: str, detail: str) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_: Request, __: Exception) -> Response:
        return Problem(slug, detail).response()

    return answer
