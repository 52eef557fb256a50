"""What processes count, in Prometheus' terms: the parts that every role shares.

A role has a registry of its own, which also shows what the process as a whole counts: one process may run several.
Labels are few and bounded: names that the settings give, states and results; never a job, a person or an address.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Protocol

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Buckets, in seconds, of what a machine is asked."""
PATIENT = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0, 604800.0)
"""Buckets, in seconds, of what a person waits for."""


def exposition(registry: CollectorRegistry) -> Response:
    """What is counted now, in Prometheus' text format."""
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def with_process(process: CollectorRegistry) -> CollectorRegistry:
    """A role's registry, which shows the process's as well.  Their names must differ."""
    registry = CollectorRegistry()
    registry.register(_Also(process))
    return registry


class _Also(Collector):
    """Another registry's metrics."""

    def __init__(self, other: CollectorRegistry) -> None:
        self._other = other

    def describe(self) -> Iterator[Metric]:
        """None: they may come to be registered later."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """All that the other has now."""
        return iter(self._other.collect())


class RequestMetrics:
    """Middleware: counts and times every request by its kind, never by its path.

    ``of``: the role; ``label``: what a kind is called; ``kind``: that of a request once it is routed, None: nobody's.
    """

    def __init__(
        self, app: ASGIApp, registry: CollectorRegistry, *, of: str, label: str, kind: Callable[[Scope], str | None]
    ) -> None:
        self._app = app
        self._kind = kind
        self._count = Counter(f"bwvisu_{of}_requests", "Requests answered", [label, "status"], registry=registry)
        self._seconds = Histogram(
            f"bwvisu_{of}_request_seconds", "From request to the beginning of the answer", [label], registry=registry
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
            kind = self._kind(scope) or "none"
            self._count.labels(kind, str(status)).inc()
            self._seconds.labels(kind).observe(time.perf_counter() - began if took is None else took)


def path_of(scope: Scope) -> str | None:
    """The route's path with its parameters' names, not their values."""
    return getattr(scope.get("route"), "path", None)


class Mirrored(Protocol):
    """A mirror, as far as it is counted."""

    @property
    def age(self) -> float:
        """Seconds since etcd last confirmed it."""
        ...

    @property
    def repairs(self) -> int:
        """Changes that its watch had lost."""
        ...


class MirrorMetrics:
    """How far behind etcd each mirror of a role may be, and what it had to repair."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._age = Gauge(
            "bwvisu_mirror_age_seconds",
            "Since etcd last confirmed a copy of it; above 70 s it does not answer",
            ["mirror"],
            registry=registry,
        )
        self._repairs = Gauge(
            "bwvisu_mirror_repairs",
            "Changes that a watch had lost; grows by faults of etcd or the network only",
            ["mirror"],
            registry=registry,
        )

    def watch(self, name: str, mirror: Mirrored) -> None:
        """From now on."""
        self._age.labels(name).set_function(partial(getattr, mirror, "age"))
        self._repairs.labels(name).set_function(partial(getattr, mirror, "repairs"))

    def forget(self, name: str) -> None:
        """It is followed no more, so that nothing is known of it."""
        self._age.remove(name)
        self._repairs.remove(name)


class Ages(Collector):
    """Seconds since something last was well, by labels: told at the time of asking."""

    def __init__(
        self, name: str, words: str, labels: Iterable[str], clock: Callable[[], float], registry: CollectorRegistry
    ) -> None:
        self._name, self._words, self._labels = name, words, tuple(labels)
        self._clock = clock
        self._since: dict[tuple[str, ...], float] = {}
        registry.register(self)

    def well(self, *labels: str, ago: float = 0.0) -> None:
        """It is well, or was so many seconds ago."""
        self._since[labels] = self._clock() - ago

    def forget(self, first: str) -> None:
        """Nothing is known any more of those whose first label this is."""
        self._since = {labels: since for labels, since in self._since.items() if labels[0] != first}

    def describe(self) -> Iterator[Metric]:
        """Its name, without asking."""
        yield self._family()

    def collect(self) -> Iterator[Metric]:
        """The ages now."""
        family, now = self._family(), self._clock()
        for labels, since in self._since.items():
            family.add_metric(labels, max(0.0, now - since))
        yield family

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(self._name, self._words, labels=self._labels)
