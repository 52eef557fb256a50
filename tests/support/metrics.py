"""Metrics as Prometheus would read them."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Scraped:
    """One answer of ``/metrics``."""

    text: str

    @classmethod
    def of(cls, url: str) -> "Scraped":
        """Ask once."""
        answer = httpx2.get(f"{url}/metrics", timeout=10)
        assert answer.status_code == 200
        return cls(answer.text)

    def sum(self, name: str, **labels: str) -> float | None:
        """Of all series of this name that have these labels; None: there is none."""
        found = list(self._matching(name, labels))
        return sum(found) if found else None

    def _matching(self, name: str, labels: dict[str, str]) -> Iterator[float]:
        for family in text_string_to_metric_families(self.text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    yield sample.value
