"""A store that counts is the store behind it, and says how each call ended."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bwvisu.adapters.etcd import (
    Committed,
    Conflict,
    EtcdFull,
    EtcdRefused,
    EtcdUnavailable,
    MeasuredStore,
    OutcomeUnknown,
)


class Answers:
    """Every call ends as the test says."""

    def __init__(self, end: Any) -> None:
        self.end = end

    async def get(self, _: str) -> Any:
        if isinstance(self.end, Exception):
            raise self.end
        return self.end

    async def commit(self, *_: Any) -> Any:
        return await self.get("")


@pytest.mark.parametrize(
    ("end", "result"),
    [
        (Committed(7), "done"),
        (Conflict({}, 7), "conflict"),
        (OutcomeUnknown("sent"), "unknown"),
        (EtcdUnavailable("away"), "unavailable"),
        (EtcdFull("full"), "full"),
        (EtcdRefused("no"), "refused"),
        (ValueError("a defect"), "defect"),
    ],
)
async def test_calls_are_counted_by_how_they_ended(end: Any, result: str) -> None:
    registry = CollectorRegistry()
    behind: Any = Answers(end)
    store = MeasuredStore(behind, registry)
    if isinstance(end, Exception):
        with pytest.raises(type(end)):
            await store.commit([], [])
    else:
        assert await store.commit([], []) is end
    assert registry.get_sample_value("bwvisu_etcd_requests_total", {"call": "commit", "result": result}) == 1
    assert registry.get_sample_value("bwvisu_etcd_request_seconds_count", {"call": "commit"}) == 1


async def test_no_key_is_in_a_label() -> None:
    registry = CollectorRegistry()
    behind: Any = Answers(None)
    await MeasuredStore(behind, registry).get("/bwvisu/v1/secrets/job")
    labels = {value for family in registry.collect() for sample in family.samples for value in sample.labels.values()}
    assert not [value for value in labels if "secrets" in value]
