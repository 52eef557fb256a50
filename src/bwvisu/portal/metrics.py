"""What is counted of pages: how many, how long they took, how many are open."""

from prometheus_client import CollectorRegistry, Gauge
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bwvisu.metrics import RequestMetrics, exposition, path_of

STREAM = "/events"


class PageMetrics:
    """Middleware: counts and times every request by its page, never by its address; open pages are no requests."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        self._counted = RequestMetrics(app, registry, of="portal", label="page", kind=path_of)
        self._open = Gauge("bwvisu_portal_event_streams", "Open pages that move by themselves", registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on: an event stream takes as long as its page is open."""
        if scope["type"] != "http" or scope["path"] != STREAM:
            await self._counted(scope, receive, send)
            return
        with self._open.track_inprogress():
            await self._app(scope, receive, send)


async def show(request: Request) -> Response:
    """For Prometheus."""
    return exposition(request.app.state.registry)
