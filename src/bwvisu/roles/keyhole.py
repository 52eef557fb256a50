"""The role ``keyhole``: what running jobs call."""

import asyncio

from fastapi import FastAPI

from bwvisu.adapters.etcd import Mirror
from bwvisu.adapters.ledger import EtcdLedger
from bwvisu.adapters.records import decode
from bwvisu.roles.base import Base
from bwvisu.roles.web import run_web
from keyhole.api import Limits, make_app
from keyhole.domain import JobForwards


async def run_keyhole(base: Base) -> None:
    """Serve the keyhole's API until cancelled."""
    settings = base.settings.keyhole
    app, forwards = keyhole_app(base)
    async with asyncio.TaskGroup() as group:
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
