"""The role ``keyhole``: what running jobs call."""

import asyncio
from collections.abc import Callable

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from bwvisu.adapters.etcd import Mirror
from bwvisu.adapters.ledger import EtcdLedger
from bwvisu.adapters.records import decode
from bwvisu.correlation import RequestIds
from bwvisu.metrics import MirrorMetrics, RequestMetrics, path_of
from bwvisu.roles.base import Base
from bwvisu.roles.endpoint import served
from bwvisu.roles.web import run_web
from keyhole.api import Limits, make_app
from keyhole.domain import JobForwards


async def run_keyhole(base: Base) -> None:
    """Serve the keyhole's API until cancelled."""
    settings = base.settings.keyhole
    app, forwards = keyhole_app(base)
    registry = base.registry()
    count_keyhole(app, registry, base.random).watch("forwards", forwards)
    endpoint = served(base, settings.metrics, registry, base.keys.secret("readyz"))
    async with endpoint, asyncio.TaskGroup() as group:
        group.create_task(forwards.run())
        group.create_task(
            run_web(
                app,
                host=settings.host,
                port=settings.port,
                tls=settings.tls,
                trusted_proxies=settings.trusted_proxies,
            )
        )


def count_keyhole(app: FastAPI, registry: CollectorRegistry, random: Callable[[int], bytes]) -> MirrorMetrics:
    """Count and name what is asked of the keyhole; its mirrors are yet to be told."""
    app.add_middleware(RequestMetrics, registry=registry, of="keyhole", label="call", kind=path_of)
    app.add_middleware(RequestIds, random=random)
    return MirrorMetrics(registry)


def keyhole_app(base: Base) -> tuple[FastAPI, Mirror[JobForwards]]:
    """The API, and the mirror that must be running for it."""
    forwards = Mirror(
        base.store,
        base.keys.kind("forwards"),
        lambda entry: decode(JobForwards, entry.value),
        clock=base.monotonic,
    )
    limits = Limits(ports=max(cluster.forwards.max_per_job for cluster in base.settings.clusters.values()))
    app = make_app(EtcdLedger(base.store, base.keys, forwards, base.vault), limits, base.wall, base.monotonic)
    return app, forwards
