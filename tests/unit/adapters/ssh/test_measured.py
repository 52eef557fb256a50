"""A wire that counts is the wire behind it, and tells apart what nobody tried."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bwvisu.adapters.ssh import Command, Completed, MeasuredWire, Node, Outcome, WireMetrics
from bwvisu.domain.observation import NotStarted, Unknown

NODE = Node("login1", "bwvisu", 22)


class Wire:
    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.why = ""

    async def run(self, *_: Any) -> Outcome:
        return self.outcome

    def failing(self, _: Node) -> str:
        return self.why


@pytest.mark.parametrize(
    ("outcome", "result", "timed"),
    [
        (Completed(1, b"", b"secret"), "completed", 1),
        (NotStarted("refused"), "not-started", 1),
        (NotStarted("failed just before", tried=False), "left-alone", None),
        (Unknown("cut"), "unknown", 1),
    ],
)
async def test_calls_are_counted_by_how_they_ended(outcome: Outcome, result: str, timed: int | None) -> None:
    registry = CollectorRegistry()
    metrics = WireMetrics(registry)
    behind: Any = Wire(outcome)
    wire = MeasuredWire(behind, "main", metrics)
    labels = {"cluster": "main", "host": "login1"}
    behind.why = "no route"
    assert await wire.run(NODE, Command(["true"], 1.0)) is outcome
    assert registry.get_sample_value("bwvisu_ssh_calls_total", {**labels, "result": result}) == 1
    assert registry.get_sample_value("bwvisu_ssh_call_seconds_count", labels) == timed
    assert registry.get_sample_value("bwvisu_ssh_sessions", labels) == 0
    assert registry.get_sample_value("bwvisu_ssh_host_failing", labels) == 1
    behind.why = ""
    assert wire.failing(NODE) == ""
    assert registry.get_sample_value("bwvisu_ssh_host_failing", labels) == 0
    metrics.forget("main")
    assert registry.get_sample_value("bwvisu_ssh_host_failing", labels) is None
