"""What is counted of pages: how many, how long they took, how many are open."""

import time

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STREAM = "/events"


class PageMetrics:
    """Middleware: counts and times every request by its page, never by its address."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        self._count = Counter("bwvisu_portal_requests", "Requests answered", ["page", "status"], registry=registry)
        self._seconds = Histogram(
            "bwvisu_portal_request_seconds", "From request to the beginning of the answer", ["page"], registry=registry
        )
        self._open = Gauge("bwvisu_portal_event_streams", "Open pages that move by themselves", registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, look at the status on its way out: an event stream takes as long as its page is open."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                page = getattr(scope.get("route"), "path", None) or "none"
                self._count.labels(page, str(message["status"])).inc()
                self._seconds.labels(page).observe(time.perf_counter() - began)
            await send(message)

        if scope["path"] != STREAM:
            await self._app(scope, receive, watched)
            return
        with self._open.track_inprogress():
            await self._app(scope, receive, watched)


async def show(request: Request) -> Response:
    """For Prometheus."""
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)
