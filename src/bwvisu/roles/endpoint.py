"""Where a role that serves nobody outside is asked how it is: `/livez`, `/readyz`, `/metrics`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bwvisu.adapters.etcd import EtcdError
from bwvisu.metrics import exposition
from bwvisu.roles.base import Base
from bwvisu.roles.web import run_web
from bwvisu.settings import MetricsSettings


@asynccontextmanager
async def served(
    base: Base, settings: MetricsSettings | None, registry: CollectorRegistry, key: str
) -> AsyncIterator[None]:
    """Serve it as long as the role runs; without settings there is nothing to serve.

    ``key``: one that this role may read; it need not be there.  Where it cannot be served, the role ends as well.
    """
    if settings is None:
        yield
        return
    app = endpoint(registry, lambda: base.store.get(key))
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(run_web(app, host=settings.host, port=settings.port, tls=None))
        yield
        serving.cancel()


def endpoint(registry: CollectorRegistry, ask: Callable[[], Awaitable[object]]) -> Starlette:
    """The application; ``ask``: what must not raise EtcdError if it is to be ready."""

    async def live(_: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def ready(_: Request) -> Response:
        try:
            await ask()
        except EtcdError as error:
            return PlainTextResponse(f"etcd: {error}\n", 503)
        return PlainTextResponse("ready\n")

    async def metrics(_: Request) -> Response:
        return exposition(registry)

    return Starlette(routes=[Route("/livez", live), Route("/readyz", ready), Route("/metrics", metrics)])
