"""What is counted of the mirrors, of gateways, of the catalogue and of event streams."""

from collections.abc import Iterable, Iterator
from functools import partial

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import Scope

from bwvisu.adapters.bundles import Catalogue
from bwvisu.domain.cluster import GatewayView
from bwvisu.metrics import MirrorMetrics
from bwvisu.services.events import Lapse
from bwvisu.services.feed import Feed
from bwvisu.services.state import State


def operation_of(scope: Scope) -> str | None:
    """What a request asks for, by the API's own name for it."""
    return getattr(scope.get("route"), "operation_id", None)


def watch_mirrors(state: State, registry: CollectorRegistry) -> None:
    """The API's mirrors, and the records that it had to set aside."""
    mirrors = MirrorMetrics(registry)
    for name, mirror in state.mirrors.items():
        mirrors.watch(name, mirror)
    unreadable = Gauge(
        "bwvisu_unreadable_records",
        "Records that are damaged, or of a newer version; their jobs are left alone",
        ["kind"],
        registry=registry,
    )
    for kind in state.unreadable:
        unreadable.labels(kind).set_function(partial(_unreadable, state, kind))


class GatewayMetrics(Collector):
    """Each cluster's gateways as the leader has published them; what is not known is missing.

    Bytes begin at 0 with each leader.
    """

    def __init__(self, state: State, clusters: Iterable[str]) -> None:
        self._state = state
        self._clusters = tuple(clusters)

    def describe(self) -> Iterator[Metric]:
        """Their names, so that nothing is collected to learn them."""
        return iter(_families())

    def collect(self) -> Iterator[Metric]:
        """All that is known now."""
        families = _families()
        for cluster in self._clusters:
            view = self._state.clusters.values.get(self._state.keys.cluster(cluster))
            for gateway in view.gateways if view is not None else ():
                for family, value in zip(families, _figures(gateway), strict=True):
                    if value is not None:
                        family.add_metric([cluster, gateway.name], value)
        return iter(families)


def _families() -> tuple[GaugeMetricFamily | CounterMetricFamily, ...]:
    labels = ["cluster", "gateway"]
    return (
        GaugeMetricFamily("bwvisu_gateway_usable", "1: the leader reaches it, and it holds its rules", labels=labels),
        GaugeMetricFamily("bwvisu_gateway_forwards", "Forwards that it is to carry", labels=labels),
        GaugeMetricFamily("bwvisu_gateway_connections", "Users' connections through a gateway", labels=labels),
        CounterMetricFamily(
            "bwvisu_gateway_received_bytes", "Bytes from users since the leader looked first", labels=labels
        ),
        CounterMetricFamily("bwvisu_gateway_sent_bytes", "Bytes to users since the leader looked first", labels=labels),
    )


def _figures(gateway: GatewayView) -> tuple[float | None, ...]:
    return gateway.reachable, gateway.forwards, gateway.connections, gateway.bytes_in, gateway.bytes_out


def watch_catalogue(catalogue: Catalogue, registry: CollectorRegistry) -> None:
    """How many applications there are, and how many bundles somebody must mend."""
    served = Gauge("bwvisu_applications", "Applications that can be started", registry=registry)
    served.set_function(lambda: len(catalogue.all()))
    broken = Gauge(
        "bwvisu_broken_applications",
        "Bundles that somebody must mend; `broken` in the catalogue says why",
        registry=registry,
    )
    broken.set_function(lambda: len(catalogue.problems))


def watch_feed(feed: Feed, registry: CollectorRegistry) -> None:
    """How many follow, and how many of them lost the thread."""
    streams = Gauge("bwvisu_event_streams", "Open event streams; `api.streams` is the most", registry=registry)
    streams.set_function(partial(len, feed))
    resyncs = Gauge(
        "bwvisu_event_resyncs",
        "Streams that had to begin anew; too-slow: their readers do not keep up",
        ["reason"],
        registry=registry,
    )
    for lapse in Lapse:
        resyncs.labels(lapse.value).set_function(partial(feed.lapses.__getitem__, lapse))


def _unreadable(state: State, kind: str) -> float:
    return state.unreadable[kind]
