"""Faults that strike when a test says so, instead of by chance."""

from collections import Counter
from collections.abc import Iterator, Mapping

from tests.simulation.run import FAULTS


class Odds(Mapping[str, float]):
    """No fault ever, but those that a test names: ``always`` while they are in it, ``coming`` so many times."""

    def __init__(self) -> None:
        self.always: set[str] = set()
        self.coming: Counter[str] = Counter()

    def __getitem__(self, fault: str) -> float:
        assert fault in FAULTS, fault
        if self.coming[fault]:
            self.coming[fault] -= 1
            return 1.0
        return float(fault in self.always)

    def __iter__(self) -> Iterator[str]:
        return iter(FAULTS)

    def __len__(self) -> int:
        return len(FAULTS)

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self.always.clear()
        self.coming.clear()
