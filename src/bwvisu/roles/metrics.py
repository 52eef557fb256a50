"""What a reconciler counts: its loops by what each pass reports, its gateways, whether it leads.

Here and not below, since the keyhole's loops and bwvisu's meet here only.
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bwvisu.adapters.ssh import WireMetrics
from bwvisu.domain.lifecycle import State
from bwvisu.domain.observation import CouldNotLook, Look
from bwvisu.errors import BwvisuError
from bwvisu.metrics import QUICK, Ages, MirrorMetrics
from bwvisu.reconcilers.driver import Pass
from bwvisu.reconcilers.metrics import JobMetrics
from keyhole.reconciler import ForwardsPass, ProbePass, SyncPass

SERVING = "serve"
"""The loop whose passes judge all requests that wait for ports."""


class LeaderMetrics:
    """All of one reconciler's; what is known of a cluster is forgotten with the term of office."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float]) -> None:
        self.jobs = JobMetrics(registry)
        self.wire = WireMetrics(registry, clock)
        self.mirrors = MirrorMetrics(registry)
        self.terms = Counter("bwvisu_leader_terms", "How often this process was elected", registry=registry)
        self._leader = Gauge("bwvisu_leader", "1: this process leads", registry=registry)
        self._passes = PassMetrics(registry)
        self._squeue = SqueueMetrics(registry, clock)
        self._gateways = GatewaySyncMetrics(registry, clock)
        self._counts = JobCounts(registry)
        self._waiting = Gauge(
            "bwvisu_forward_requests_waiting",
            "Jobs whose request for ports could not be served yet",
            ["cluster"],
            registry=registry,
        )

    def leads(self, whether: Callable[[], bool]) -> None:
        """Ask this whenever it is to be told."""
        self._leader.set_function(lambda: float(whether()))

    @contextmanager
    def term(self, cluster: str, gateways: Iterable[str], states: Callable[[], Iterable[State]]) -> Iterator[None]:
        """While one term lasts there; ``states``: those of all jobs at present."""
        for gateway in gateways:
            self._gateways.lag.well(cluster, gateway)
        self._squeue.age.well(cluster)
        self._counts.clusters[cluster] = states
        try:
            yield
        finally:
            self._gateways.forget(cluster)
            self._squeue.age.forget(cluster)
            self._waiting.remove_by_labels({"cluster": cluster})
            self._counts.clusters.pop(cluster, None)

    def listener(self, cluster: str) -> Callable[[Pass], None]:
        """What a cluster's loops are to tell their passes to."""
        return lambda passed: self._passed(cluster, passed)

    def _passed(self, cluster: str, passed: Pass) -> None:
        loop = passed.loop.partition(":")[0]
        self._passes.passed(cluster, loop, passed)
        match passed.report:
            case Look() | CouldNotLook() as seen:
                self._squeue.looked(cluster, seen, passed.seconds)
            case SyncPass() as report:
                self._gateways.synced(cluster, report)
            case ProbePass() as report:
                self._gateways.probed(cluster, report)
            case ForwardsPass() as report if loop == SERVING:
                self._waiting.labels(cluster).set(len(report.waiting))
            case _:
                pass


class JobCounts(Collector):
    """How many jobs are in each state, counted when somebody asks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.clusters: dict[str, Callable[[], Iterable[State]]] = {}
        """Of those that are led: the states of all jobs at present."""
        registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Its name, without counting."""
        yield self._family()

    def collect(self) -> Iterator[Metric]:
        """The numbers now."""
        family = self._family()
        for cluster, states in self.clusters.items():
            found = Tally(states())
            for state in State:
                family.add_metric([cluster, state.value], found[state])
        yield family

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily("bwvisu_jobs", "Jobs that are not forgotten, by state", labels=["cluster", "state"])


class PassMetrics:
    """Every loop: how often, how long, how well."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._count = Counter(
            "bwvisu_loop_passes",
            "Passes of the leader's loops; failed: the world's fault, defect: ours",
            ["cluster", "loop", "result"],
            registry=registry,
        )
        self._seconds = Histogram(
            "bwvisu_loop_pass_seconds", "How long passes took", ["cluster", "loop"], buckets=QUICK, registry=registry
        )

        self._loops: dict[tuple[str, str], tuple[dict[str, Counter], Histogram]] = {}
        """Their series, found once: a leader passes hundreds of times a second."""

    def passed(self, cluster: str, loop: str, passed: Pass) -> None:
        """Count one."""
        series = self._loops.get((cluster, loop))
        if series is None:
            series = self._loops[cluster, loop] = self._begin(cluster, loop)
        counts, seconds = series
        counts[_result(passed)].inc()
        seconds.observe(passed.seconds)

    def _begin(self, cluster: str, loop: str) -> tuple[dict[str, Counter], Histogram]:
        """A loop's series, at 0: that nothing failed is told, too."""
        counts = {result: self._count.labels(cluster, loop, result) for result in ("done", "failed", "defect")}
        return counts, self._seconds.labels(cluster, loop)


def _result(passed: Pass) -> str:
    if passed.failure is None:
        return "done"
    return "failed" if isinstance(passed.failure, BwvisuError) else "defect"


class SqueueMetrics:
    """The looks at Slurm's queue."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._looks = Counter(
            "bwvisu_squeue_looks", "Looks at Slurm's queue, by result", ["cluster", "result"], registry=registry
        )
        self._seconds = Histogram(
            "bwvisu_squeue_seconds", "How long complete looks took", ["cluster"], buckets=QUICK, registry=registry
        )
        self.age = Ages(
            "bwvisu_squeue_age_seconds",
            "Since the last complete look at Slurm's queue, or since the term began",
            ["cluster"],
            clock,
            registry,
        )

    def looked(self, cluster: str, seen: Look | CouldNotLook, seconds: float) -> None:
        """One look, of so many seconds with the search for a command node that answers."""
        self._looks.labels(cluster, "complete" if isinstance(seen, Look) else "could-not-look").inc()
        if isinstance(seen, Look):
            self._seconds.labels(cluster).observe(seconds)
            self.age.well(cluster, ago=self._clock() - seen.ended_at)


class GatewaySyncMetrics:
    """What gateways are told, and how the services behind them answer."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float]) -> None:
        labels = ["cluster", "gateway"]
        self.lag = Ages(
            "bwvisu_gateway_sync_lag_seconds",
            "Since a gateway last surely held all that it is to hold, or since the term began",
            labels,
            clock,
            registry,
        )
        self._syncs = Counter(
            "bwvisu_gateway_syncs", "Passes over a gateway's rules, by outcome", [*labels, "outcome"], registry=registry
        )
        self._changes = Counter(
            "bwvisu_gateway_changes",
            "Forwards added or removed; connections cut whose source may not come in any more",
            [*labels, "change"],
            registry=registry,
        )
        self._drift = Counter(
            "bwvisu_gateway_drift_repaired", "Rules that somebody had changed, set right", labels, registry=registry
        )
        self._foreign = Gauge(
            "bwvisu_gateway_foreign_rules", "Rules of others that translate ports of ours", labels, registry=registry
        )
        self._probes = Counter(
            "bwvisu_probes",
            "Probes of services behind a gateway; not-made: nothing is known by them",
            [*labels, "result"],
            registry=registry,
        )

    def synced(self, cluster: str, report: SyncPass) -> None:
        """One pass over a gateway."""
        labels = (cluster, report.gateway)
        self._syncs.labels(*labels, report.outcome).inc()
        for change, number in (("added", report.added), ("removed", report.removed), ("cut", report.cut)):
            self._changes.labels(*labels, change).inc(number)
        held = report.outcome in {"in-step", "loaded"}
        self._drift.labels(*labels).inc(report.drifted and held)
        if held:
            self.lag.well(*labels)
            self._foreign.labels(*labels).set(len(report.conflicts))

    def probed(self, cluster: str, report: ProbePass) -> None:
        """One tick of a gateway's probes."""
        labels = (cluster, report.gateway)
        for result, number in (("good", report.good), ("bad", report.bad), ("not-made", report.unmade)):
            self._probes.labels(*labels, result).inc(number)

    def forget(self, cluster: str) -> None:
        """Nothing is known any more of a cluster's gateways."""
        self.lag.forget(cluster)
        self._foreign.remove_by_labels({"cluster": cluster})
