"""Traces to a collector, by OTLP over HTTP as JSON.

Source: the specification of the OpenTelemetry protocol, "OTLP/HTTP" and "JSON Protobuf Encoding": ids are hexadecimal,
64-bit numbers are texts, names are in lower camel case; 429, 502, 503 and 504 are to be tried again.  Its kit for
Python follows code while it runs; our traces are drawn from stored times, so nothing of it is needed.
"""

import hashlib
import ssl
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx2
import structlog

from bwvisu.domain.trace import Trace
from bwvisu.errors import OperatorError, TryAgain
from bwvisu.rest import Json

log = structlog.get_logger(__name__)
_AGAIN = {429, 502, 503, 504}
_INTERNAL, _ERROR = 1, 2
"""Of `SpanKind` and `StatusCode`."""


class Collector:
    """Where traces go.  ``url``: the whole address, as ``http://collector:4318/v1/traces``; ``timeout``: seconds."""

    def __init__(
        self, url: str, *, token: str | None = None, ca_file: Path | None = None, timeout: float = 10.0
    ) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._trust: ssl.SSLContext | bool = (
            ssl.create_default_context(cafile=ca_file) if ca_file is not None and url.startswith("https:") else True
        )
        self._timeout = timeout

    async def send(self, traces: Sequence[Trace]) -> None:
        """Hand traces in.  Raises TryAgain: it is away, or busy; OperatorError: it does not want them."""
        try:
            async with httpx2.AsyncClient(verify=self._trust, timeout=self._timeout, trust_env=False) as client:
                answer = await client.post(self._url, json=document(traces), headers=self._headers)
        except httpx2.HTTPError as error:
            raise TryAgain(f"the collector of traces does not answer: {type(error).__name__} {error}") from error
        if answer.status_code in _AGAIN:
            raise TryAgain(f"the collector of traces answers {answer.status_code}")
        if not answer.is_success:
            raise OperatorError(f"the collector of traces at {self._url} answers {answer.status_code}")


def document(traces: Sequence[Trace]) -> Json:
    """The body of an ``ExportTraceServiceRequest``."""
    spans = [span for trace in traces for span in _spans(trace)]
    scope = {"name": "bwvisu", "version": version("bwvisu")}
    resource = {"attributes": _attributes({"service.name": "bwvisu", "service.version": version("bwvisu")})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": spans}]}]}


def _spans(trace: Trace) -> list[dict[str, Any]]:
    root = {
        **_span(trace, "job", trace.spans[0].begin, trace.spans[-1].end),
        "attributes": _attributes({
            "bwvisu.job": trace.job,
            "bwvisu.cluster": trace.cluster,
            "bwvisu.application": trace.application,
        }),
    }  # fmt: skip
    if trace.failure:
        root["status"] = {"code": _ERROR, "message": trace.failure}
    parent = {"parentSpanId": root["spanId"]}
    return [root, *({**_span(trace, each.name, each.begin, each.end), **parent} for each in trace.spans)]


def _span(trace: Trace, name: str, begin: datetime, end: datetime) -> dict[str, Any]:
    """Ids follow from what a span is of: one that is handed in twice is one."""
    return {
        "traceId": trace.id,
        "spanId": hashlib.sha256(f"{trace.id}/{trace.job}/{name}/{begin.isoformat()}".encode()).hexdigest()[:16],
        "name": name,
        "kind": _INTERNAL,
        "startTimeUnixNano": _nanoseconds(begin),
        "endTimeUnixNano": _nanoseconds(end),
    }


def _nanoseconds(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1_000_000) * 1000)


def _attributes(values: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]
