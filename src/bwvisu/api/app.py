"""The REST API as an ASGI application."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from bwvisu.api import (
    catalogue,
    events,
    gateways,
    health,
    jobs,
    log,
    original,
    oversight,
    preferences,
    problems,
    script,
    sharing,
)
from bwvisu.api.audit import AuditTrail
from bwvisu.api.auth import Tokens
from bwvisu.api.basic import Passwords
from bwvisu.api.body import BodyGuard
from bwvisu.api.head import HeadGuard
from bwvisu.api.metrics import GatewayMetrics, operation_of, watch_catalogue, watch_feed, watch_mirrors
from bwvisu.api.openapi import polish
from bwvisu.api.rate import RateGuard
from bwvisu.api.semantics import Semantics
from bwvisu.api.views import job_view
from bwvisu.correlation import RequestIds
from bwvisu.domain.principal import Principal
from bwvisu.metrics import RequestMetrics
from bwvisu.services.chronicle import Chronicle
from bwvisu.services.context import Context
from bwvisu.services.feed import Feed, Limits
from bwvisu.services.state import Job
from bwvisu.settings import BasicSettings, RateSettings, TokenSettings

_DESCRIPTION = """\
Interactive applications as jobs of an HPC cluster.

Every error is a problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) with a stable `type`.
"""
_TAGS = [
    {"name": "jobs", "description": "Start, watch, enter and stop jobs."},
    {"name": "sharing", "description": "Who else may enter a job, and from where."},
    {"name": "applications", "description": "What can be started."},
    {"name": "clusters", "description": "Where it runs."},
    {"name": "users", "description": "What a frontend keeps for a person."},
    {"name": "administration", "description": "Who does what, and who uses what: for the scope `admin`."},
    {"name": "original", "description": "The original bwVisu's API, for existing frontends; basic authentication."},
    {"name": "operation", "description": "For probes and monitoring; no token."},
]
_ROUTERS = (
    jobs.router,
    log.router,
    script.router,
    sharing.of_jobs,
    sharing.router,
    events.router,
    catalogue.applications,
    catalogue.clusters,
    gateways.router,
    oversight.router,
    preferences.router,
    original.router,
    health.router,
)


def make_app(
    context: Context,
    tokens: Sequence[TokenSettings],
    registry: CollectorRegistry | None = None,
    rate: RateSettings | None = None,
    *,
    basic: Sequence[BasicSettings] = (),
    streams: Limits | None = None,
) -> FastAPI:
    """The API on ``context``, whose state must be running, as must the app's ``state.chronicle``.

    ``registry`` is what ``/metrics`` shows.
    """
    registry = registry or CollectorRegistry()
    app = routes()
    app.state.context = context
    app.state.tokens = bearer = Tokens(tokens, context.now)
    app.state.passwords = passwords = Passwords(basic)
    app.state.chronicle = chronicle = Chronicle(context)
    app.state.guesses = sharing.guesses()
    app.state.registry = registry
    app.state.feed = Feed(context.state, _document, streams or Limits())
    watch_mirrors(context.state, registry)
    watch_feed(app.state.feed, registry)
    registry.register(GatewayMetrics(context.state, context.clusters))
    watch_catalogue(context.catalogue, registry)

    def holder(authorization: str) -> Principal | None:
        return bearer.holder(authorization) or passwords.holder(authorization)

    app.add_middleware(BodyGuard)
    app.add_middleware(HeadGuard)
    app.add_middleware(RateGuard, rate=rate or RateSettings(), holder=holder)
    app.add_middleware(
        AuditTrail,
        context=context,
        routes=tuple(chain.from_iterable(router.routes for router in _ROUTERS)),
        holder=holder,
        write=chronicle.write,
    )
    app.add_middleware(RequestMetrics, registry=registry, of="api", label="operation", kind=operation_of)
    app.add_middleware(Semantics)
    app.add_middleware(RequestIds, random=context.random)
    return app


def routes() -> FastAPI:
    """All calls and their description; they answer once `make_app` has given them a context."""
    app = _Api(
        title="bwVisu",
        version="1",
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False},
    )
    for router in _ROUTERS:
        app.include_router(router)
    problems.install(app)
    return app


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """FastAPI's document, polished."""
        if self.openapi_schema is None:
            polish(super().openapi())
        assert self.openapi_schema is not None  # noqa: S101 FastAPI has just kept it
        return self.openapi_schema


def _document(job: Job) -> bytes:
    return job_view(job).model_dump_json().encode()
