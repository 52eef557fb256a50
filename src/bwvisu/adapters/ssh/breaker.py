"""When to leave a failing host alone.  Pure: the clock's reading is an argument."""

from dataclasses import dataclass


@dataclass(slots=True)
class Breaker:
    """Doubles the pause after each failure in a row.  Seconds."""

    first: float
    limit: float
    failures: int = 0
    reason: str = ""
    """What went wrong last; empty while all is well."""
    _until: float = 0.0

    def failed(self, now: float, reason: str) -> None:
        """Begin a pause."""
        pause = min(self.limit, self.first * 2 ** min(self.failures, 30))
        self.failures += 1
        self.reason = reason
        self._until = now + pause

    def succeeded(self) -> None:
        """All is well again."""
        self.failures, self.reason, self._until = 0, "", 0.0

    def pause(self, now: float) -> float:
        """How much of the pause is left; 0: try."""
        return max(0.0, self._until - now)
