"""Have a gateway take no new forwards, for example before its maintenance; those that it carries stay."""

from bwvisu.adapters.etcd import Delete, OutcomeUnknown, Put
from bwvisu.adapters.records import encode
from bwvisu.domain.cluster import Drain
from bwvisu.domain.principal import Principal
from bwvisu.errors import NotFound, TryAgain
from bwvisu.services.clusters import Cluster, one_cluster
from bwvisu.services.context import Context

PATIENCE = 5.0
"""Seconds that a request waits for the leader to show that it knows."""


async def drain(context: Context, principal: Principal, cluster: str, gateway: str, *, wanted: bool) -> Cluster:
    """Drain a gateway, or put it to use again; may be repeated.  Raises NotFound, TryAgain.

    The answer shows ``drained`` as wanted once the leader has taken it in, which it does within seconds.
    """
    settings = one_cluster(context, cluster).settings
    if gateway not in settings.gateways_by_name():
        raise NotFound("this cluster has no such gateway", slug="gateway-not-found")
    key = context.state.keys.gateway(cluster, gateway)
    order = Put(key, encode(Drain(by=principal.name, at=context.now())))
    try:
        await context.state.store.commit([], [order if wanted else Delete(key)])
    except OutcomeUnknown as error:
        raise TryAgain("it is not known whether that was stored; ask again") from error
    await context.state.until(lambda: _is_drained(context, cluster, gateway) is wanted, PATIENCE)
    return one_cluster(context, cluster)


def _is_drained(context: Context, cluster: str, gateway: str) -> bool | None:
    view = one_cluster(context, cluster).view
    return next((each.drained for each in view.gateways if each.name == gateway), None) if view else None
