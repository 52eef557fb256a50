"""Have a gateway take no new forwards, for example before its maintenance; those that it carries stay, or move."""

from bwvisu.adapters.etcd import Delete, OutcomeUnknown, Put
from bwvisu.adapters.records import encode
from bwvisu.domain.cluster import Drain
from bwvisu.domain.principal import Principal
from bwvisu.errors import NotFound, TryAgain
from bwvisu.services.clusters import Cluster, one_cluster
from bwvisu.services.context import Context

PATIENCE = 5.0
"""Seconds that a request waits for the leader to show that it knows."""


async def drain(
    context: Context, principal: Principal, cluster: str, gateway: str, *, wanted: bool, move: bool = False
) -> Cluster:
    """Drain a gateway, or put it to use again; may be repeated.  Raises NotFound, TryAgain.

    ``move``: its forwards move to other gateways as well, as far as there is room.  The answer shows ``drained`` and
    ``vacated`` as wanted once the leader has taken it in, which it does within seconds.
    """
    settings = one_cluster(context, cluster).settings
    if gateway not in settings.gateways_by_name():
        raise NotFound("this cluster has no such gateway", slug="gateway-not-found")
    key = context.state.keys.gateway(cluster, gateway)
    order = Put(key, encode(Drain(by=principal.name, at=context.now(), move=move)))
    try:
        await context.state.store.commit([], [order if wanted else Delete(key)])
    except OutcomeUnknown as error:
        raise TryAgain("it is not known whether that was stored; ask again") from error
    order_is = (wanted, wanted and move)
    await context.state.until(lambda: _order(context, cluster, gateway) == order_is, PATIENCE)
    return one_cluster(context, cluster)


def _order(context: Context, cluster: str, gateway: str) -> tuple[bool, bool] | None:
    """Whether the gateway is drained and vacated, as the leader shows it."""
    view = one_cluster(context, cluster).view
    known = ((each.drained, each.vacated) for each in view.gateways if each.name == gateway) if view else ()
    return next(iter(known), None)
