"""Guessing passwords is slow: who failed often waits, longer each time.  In memory, each replica for itself."""

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from time import monotonic

FREE = 5
"""Failures that cost nothing."""
LONGEST = 300.0
"""Seconds."""
REMEMBERED = 10_000


class Throttle:
    """Counts failures of whoever."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[Hashable, tuple[int, float]] = OrderedDict()

    def wait(self, who: Hashable) -> int:
        """Seconds until the next try; 0: now."""
        count, until = self._failures.get(who, (0, 0.0))
        return math.ceil(max(0.0, until - self._clock())) if count > FREE else 0

    def failed(self, who: Hashable) -> None:
        """A try was wrong; to be said before it is known, since many tries at once are many tries."""
        count = self._failures.pop(who, (0, 0.0))[0] + 1
        pause = min(LONGEST, 2.0 ** min(count - FREE, 20)) if count > FREE else 0.0
        self._failures[who] = count, self._clock() + pause
        while len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)

    def forgiven(self, who: Hashable) -> None:
        """The last try was neither right nor wrong: nobody could say."""
        count, _ = self._failures.get(who, (0, 0.0))
        if count:
            self._failures[who] = count - 1, 0.0

    def succeeded(self, who: Hashable) -> None:
        """A try was right."""
        self._failures.pop(who, None)
