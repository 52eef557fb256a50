"""What is known of the clusters: the settings' names beside the leader's last look."""

from dataclasses import dataclass

from bwvisu.domain.cluster import ClusterView
from bwvisu.errors import NotFound
from bwvisu.services.context import Context
from bwvisu.settings import ClusterSettings


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster; ``view`` is None until a leader has looked at it."""

    name: str
    settings: ClusterSettings
    view: ClusterView | None
    age: float | None
    """Seconds since the last complete look ended."""


def all_clusters(context: Context) -> list[Cluster]:
    """Every cluster, in the order of the settings."""
    return [_cluster(context, name) for name in context.clusters]


def one_cluster(context: Context, name: str) -> Cluster:
    """The cluster of this name; raises `NotFound`."""
    if name not in context.clusters:
        raise NotFound("there is no such cluster", slug="cluster-not-found")
    return _cluster(context, name)


def _cluster(context: Context, name: str) -> Cluster:
    view = context.state.clusters.values.get(context.state.keys.cluster(name))
    looked_at = view.looked_at if view else None
    age = max(0.0, (context.now() - looked_at).total_seconds()) if looked_at else None
    return Cluster(name, context.clusters[name], view, age)
