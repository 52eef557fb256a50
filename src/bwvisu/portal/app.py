"""The portal as a web application."""

from collections.abc import Mapping
from pathlib import Path
from weakref import WeakSet

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bwvisu.correlation import RequestIds
from bwvisu.errors import BwvisuError, Conflict, NotFound, OperatorError, TryAgain, UserError
from bwvisu.portal import metrics
from bwvisu.portal.api import Api
from bwvisu.portal.interrupted import to_sign_in
from bwvisu.portal.look import Look
from bwvisu.portal.metrics import PageMetrics
from bwvisu.portal.pages import administration, catalogue, entering, live, sessions, signing_in, site
from bwvisu.portal.sayings import said
from bwvisu.portal.session import Sealer, Sessions
from bwvisu.portal.signin import Passwords, Provides
from bwvisu.portal.throttle import Throttle
from bwvisu.portal.web import Forbidden, SignInNeeded, TooLarge
from bwvisu.settings import PortalSettings

log = structlog.get_logger(__name__)
STATIC = Path(__file__).parent / "static"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def make_app(settings: PortalSettings, api: Api, sealer: Sealer, sign_in: Passwords | Provides) -> FastAPI:
    """All pages; ``sign_in``: how people prove who they are."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.settings = settings
    app.state.api = api
    app.state.look = Look(settings.site)
    app.state.sign_in = sign_in
    app.state.sealer = sealer
    app.state.throttle = Throttle()
    app.state.streams = WeakSet()
    for part in (site, signing_in, sessions, entering, catalogue, live, administration):
        app.include_router(part.router)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_api_route("/livez", _alive, methods=["GET"])
    app.add_api_route("/readyz", _ready, methods=["GET"])
    app.state.registry = registry = CollectorRegistry()
    app.add_api_route("/metrics", metrics.show, methods=["GET"])
    _errors(app)
    secure = settings.tls is not None or (settings.public_url or "").startswith("https://")
    app.add_middleware(_Headers, secure=secure)
    app.add_middleware(PageMetrics, registry=registry)
    times = {"lifetime": settings.session_lifetime, "limit": settings.session_limit}
    app.add_middleware(Sessions, sealer=sealer, **times, secure=secure)
    app.add_middleware(RequestIds)
    return app


async def _alive() -> Response:
    return PlainTextResponse("ok\n")


async def _ready(request: Request) -> Response:
    try:
        await request.app.state.api.clusters()
    except BwvisuError as error:
        return PlainTextResponse(f"{error}\n", 503)
    return PlainTextResponse("ok\n")


class _Headers:
    """ASGI middleware: what every answer says to browsers."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._headers = {**HEADERS, **({"Strict-Transport-Security": "max-age=31536000"} if secure else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _errors(app: FastAPI) -> None:
    app.add_exception_handler(SignInNeeded, to_sign_in)  # type: ignore[arg-type] # the class tells which error comes
    for kind in (BwvisuError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _problem)


async def _problem(request: Request, error: Exception) -> Response:
    status, words = _status(error), error.detail if isinstance(error, HTTPException) else str(error)
    if status == 500:
        log.error("a page failed", path=request.url.path, error=repr(error))
        words = ""
    look: Look = request.app.state.look
    words = said(words, look.words(request).gettext)
    answer = look.page(request, "problem.html", status, number=status, words=words)
    if status == 500:  # it is answered outside of all middleware
        answer.headers.update(HEADERS)
    if isinstance(error, TryAgain):
        answer.headers["Retry-After"] = str(error.after)
    return answer


_STATUSES: Mapping[type[Exception], int] = {
    NotFound: 404,
    Forbidden: 403,
    TooLarge: 413,
    RequestValidationError: 400,
    Conflict: 409,
    TryAgain: 503,
    UserError: 400,
    OperatorError: 502,
}
"""The first that fits counts."""


def _status(error: Exception) -> int:
    if isinstance(error, HTTPException):
        return error.status_code
    return next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), 500)
