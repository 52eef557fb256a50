"""A `Wire` whose calls are counted and timed, and which is otherwise the one behind it."""

import time
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bwvisu.adapters.ssh.command import Command, Conversation, Outcome
from bwvisu.adapters.ssh.settings import Node
from bwvisu.adapters.ssh.wire import Wire
from bwvisu.domain.observation import NotStarted, Unknown


class WireMetrics:
    """What one process counts of its calls to command nodes and gateways, which the settings name."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        labels = ["cluster", "host"]
        self.calls = Counter(
            "bwvisu_ssh_calls", "Programs run on other hosts, by how that ended", [*labels, "result"], registry=registry
        )
        self.seconds = Histogram(
            "bwvisu_ssh_call_seconds",
            "From asking a host to its answer; not of hosts that are left alone",
            labels,
            registry=registry,
        )
        self.sessions = Gauge("bwvisu_ssh_sessions", "Calls that wait for their answer now", labels, registry=registry)
        self.failing = Gauge(
            "bwvisu_ssh_host_failing", "1: the host has failed and is left alone for a while", labels, registry=registry
        )

    def forget(self, cluster: str) -> None:
        """Nobody asks its hosts any more, so that nothing is known of how they are."""
        self.failing.remove_by_labels({"cluster": cluster})


class MeasuredWire:
    """See `Wire`."""

    def __init__(self, wire: Wire, cluster: str, metrics: WireMetrics) -> None:
        self._wire = wire
        self._cluster = cluster
        self._metrics = metrics

    async def run(self, node: Node, command: Command) -> Outcome:
        """See `Wire`."""
        return await self._measured(node, self._wire.run(node, command))

    async def converse(self, node: Node, conversation: Conversation) -> Outcome:
        """See `Wire`."""
        return await self._measured(node, self._wire.converse(node, conversation))

    def failing(self, node: Node) -> str:
        """See `Wire`; counted here, too, since a host that is well again may not be called for long."""
        why = self._wire.failing(node)
        self._metrics.failing.labels(self._cluster, node.host).set(bool(why))
        return why

    def warm(self, node: Node) -> None:
        """See `Wire`."""
        self._wire.warm(node)

    async def aclose(self) -> None:
        """See `Wire`."""
        await self._wire.aclose()

    async def _measured(self, node: Node, asked: Awaitable[Outcome]) -> Outcome:
        metrics, labels = self._metrics, (self._cluster, node.host)
        began, result = metrics.clock(), "cancelled"
        with metrics.sessions.labels(*labels).track_inprogress():
            try:
                outcome = await asked
                result = word(outcome)
            finally:
                metrics.calls.labels(*labels, result).inc()
                self.failing(node)
                if result != "left-alone":
                    metrics.seconds.labels(*labels).observe(metrics.clock() - began)
        return outcome


def word(outcome: Outcome) -> str:
    """An outcome as a label."""
    match outcome:
        case NotStarted(tried=False):
            return "left-alone"
        case NotStarted():
            return "not-started"
        case Unknown():
            return "unknown"
        case _:
            return "completed"
