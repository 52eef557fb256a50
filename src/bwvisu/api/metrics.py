"""What is counted of requests, of the mirrors and of the catalogue."""

import time
from collections.abc import Iterable, Iterator
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bwvisu.adapters.bundles import Catalogue
from bwvisu.services.events import Lapse
from bwvisu.services.feed import Feed
from bwvisu.services.state import State


class RequestMetrics:
    """Middleware: counts and times every request by its operation, never by its path."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        self._count = Counter("bwvisu_api_requests", "Requests answered", ["operation", "status"], registry=registry)
        self._seconds = Histogram(
            "bwvisu_api_request_seconds",
            "From request to the beginning of the answer",
            ["operation"],
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, look at the status on its way out: an event stream takes as long as somebody reads it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        began = time.perf_counter()
        took: float | None = None

        async def watched(message: Message) -> None:
            nonlocal status, took
            if message["type"] == "http.response.start":
                status, took = message["status"], time.perf_counter() - began
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            operation = getattr(scope.get("route"), "operation_id", None) or "none"
            self._count.labels(operation, str(status)).inc()
            self._seconds.labels(operation).observe(time.perf_counter() - began if took is None else took)


def watch_mirrors(state: State, registry: CollectorRegistry) -> None:
    """How far behind etcd each mirror may be, and what it had to repair or to set aside."""
    age = Gauge("bwvisu_mirror_age_seconds", "Since etcd last confirmed the mirror", ["mirror"], registry=registry)
    repairs = Gauge("bwvisu_mirror_repairs", "Changes that a watch had lost", ["mirror"], registry=registry)
    unreadable = Gauge("bwvisu_unreadable_records", "Records that cannot be read", ["kind"], registry=registry)
    for name, mirror in state.mirrors.items():
        age.labels(name).set_function(partial(getattr, mirror, "age"))
        repairs.labels(name).set_function(partial(getattr, mirror, "repairs"))
    for kind in state.unreadable:
        unreadable.labels(kind).set_function(partial(_unreadable, state, kind))


class GatewayMetrics(Collector):
    """Users' connections and bytes, by cluster and gateway, as the leader has published them.

    Bytes begin at 0 with each leader.  What is not known is missing.
    """

    def __init__(self, state: State, clusters: Iterable[str]) -> None:
        self._state = state
        self._clusters = tuple(clusters)

    def describe(self) -> Iterator[Metric]:
        """Their names, so that nothing is collected to learn them."""
        return iter(self._families())

    def collect(self) -> Iterator[Metric]:
        """All that is known now."""
        connections, received, sent = families = self._families()
        for cluster in self._clusters:
            view = self._state.clusters.values.get(self._state.keys.cluster(cluster))
            for gateway in view.gateways if view is not None else ():
                labels = [cluster, gateway.name]
                pairs = (connections, gateway.connections), (received, gateway.bytes_in), (sent, gateway.bytes_out)
                for family, value in pairs:
                    if value is not None:
                        family.add_metric(labels, value)
        return iter(families)

    def _families(self) -> tuple[GaugeMetricFamily, CounterMetricFamily, CounterMetricFamily]:
        labels = ["cluster", "gateway"]
        return (
            GaugeMetricFamily("bwvisu_gateway_connections", "Users' connections through a gateway", labels=labels),
            CounterMetricFamily("bwvisu_gateway_received_bytes", "Bytes from users", labels=labels),
            CounterMetricFamily("bwvisu_gateway_sent_bytes", "Bytes to users", labels=labels),
        )


def watch_catalogue(catalogue: Catalogue, registry: CollectorRegistry) -> None:
    """How many applications there are, and how many bundles somebody must mend."""
    served = Gauge("bwvisu_applications", "Applications that can be started", registry=registry)
    served.set_function(lambda: len(catalogue.all()))
    broken = Gauge("bwvisu_broken_applications", "Bundles that cannot be used as they are", registry=registry)
    broken.set_function(lambda: len(catalogue.problems))


def watch_feed(feed: Feed, registry: CollectorRegistry) -> None:
    """How many follow, and how many of them lost the thread."""
    streams = Gauge("bwvisu_event_streams", "Open event streams", registry=registry)
    streams.set_function(partial(len, feed))
    resyncs = Gauge("bwvisu_event_resyncs", "Streams that had to begin anew", ["reason"], registry=registry)
    for lapse in Lapse:
        resyncs.labels(lapse.value).set_function(partial(feed.lapses.__getitem__, lapse))


def _unreadable(state: State, kind: str) -> float:
    return state.unreadable[kind]
