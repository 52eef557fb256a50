"""Where a role that serves nobody outside is asked how it is: `/livez`, `/readyz`, `/metrics`."""

from collections.abc import Awaitable, Callable

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


async def run_endpoint(base: Base, settings: MetricsSettings | None, registry: CollectorRegistry, key: str) -> None:
    """Serve it until cancelled; without settings there is nothing to serve.

    ``key``: one that this role may read; it need not be there.
    """
    if settings is not None:
        app = endpoint(registry, lambda: base.store.get(key))
        await run_web(app, host=settings.host, port=settings.port, tls=None)


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
