"""Traces, where the site collects them: what the settings say as the parts want it."""

from bwvisu.adapters.otlp import Collector
from bwvisu.reconcilers.driver import Loop
from bwvisu.reconcilers.execute import Watching
from bwvisu.reconcilers.traces import Together, Traces
from bwvisu.roles.base import Base, read_secret

EVERY = 5.0
"""Seconds between what is handed in."""


def traced(cluster: str, base: Base, metrics: Watching) -> tuple[Watching, list[Loop]]:
    """What watches a cluster's jobs, and the loop that hands traces in; none where none are collected."""
    tracing = base.settings.tracing
    if tracing is None:
        return metrics, []
    token = read_secret(tracing.token_file) if tracing.token_file else None
    traces = Traces(Collector(tracing.url, token=token, ca_file=tracing.ca_file, timeout=tracing.timeout).send)
    loop = Loop(f"traces:{cluster}", traces.reconcile, interval=EVERY, clock=base.monotonic)
    return Together((metrics, traces)), [loop]
