"""The role ``api``: REST for frontends."""

import asyncio

from bwvisu.adapters.bundles import Catalogue
from bwvisu.api.app import make_app
from bwvisu.roles.base import Base
from bwvisu.roles.web import run_web
from bwvisu.services.chronicle import Chronicle
from bwvisu.services.context import Context, keep_current
from bwvisu.services.entrance import entrances
from bwvisu.services.feed import Feed, Limits
from bwvisu.services.leases import Leases
from bwvisu.services.state import State


async def run_api(base: Base) -> None:
    """Serve the REST API until cancelled."""
    settings = base.settings.api
    catalogue = Catalogue(base.settings.applications.path)
    await asyncio.to_thread(catalogue.refresh)
    context = api_context(base, catalogue)
    limits = Limits(streams=settings.streams, lifetime=settings.stream_lifetime)
    app = make_app(context, settings.tokens, base.registry(), rate=settings.rate, basic=settings.basic, streams=limits)
    feed: Feed = app.state.feed
    chronicle: Chronicle = app.state.chronicle
    async with asyncio.TaskGroup() as group:
        group.create_task(keep_current(context))
        group.create_task(chronicle.run())
        group.create_task(
            run_web(
                app,
                host=settings.host,
                port=settings.port,
                tls=settings.tls,
                trusted_proxies=settings.trusted_proxies,
                stopping=feed.close,
            )
        )


def api_context(base: Base, catalogue: Catalogue) -> Context:
    """What the services are given."""
    return Context(
        state=State(base.store, base.keys, base.monotonic),
        catalogue=catalogue,
        clusters=base.settings.clusters,
        keyhole=base.settings.keyhole,
        entrances=entrances(base.settings.clusters),
        mails=base.settings.mail is not None,
        leases=Leases(base.store),
        now=base.wall,
        random=base.random,
        vault=base.vault,
    )
