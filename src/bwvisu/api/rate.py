"""How often one asker may ask: per token, and per source address for those who have none that is good.

In the memory of each replica.  A token that has been good from an address before is never refused for what others
do there, behind the same proxy.  A token that is seen at an address for the first time counts like a guess: who
tries them out learns nothing once the address has used up its guesses.
"""

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from bwvisu.api.problems import problem
from bwvisu.api.source import source_of
from bwvisu.domain.principal import Principal
from bwvisu.settings import RateSettings
from keyhole.throttle import Buckets

EXEMPT = frozenset({"/livez", "/readyz", "/metrics"})
"""For probes, which must not be misled by a storm."""
_REMEMBERED = 10_000
"""Pairs of address and token."""


class Gate:
    """Decides, in bounded memory.  The (monotonic) clock is an argument."""

    def __init__(self, rate: RateSettings) -> None:
        self._holders = Buckets(rate.burst, rate.requests_per_second)
        self._strangers = Buckets(rate.stranger_burst, rate.stranger_requests_per_second)
        self._familiar: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._familiar)

    def wait(self, source: str, credentials: bytes, holder: str | None, now: float) -> float:
        """0.0: go on; else the seconds after which to ask again.

        ``credentials``: a digest of what was sent; ``holder``: whose it is, None: nobody's.
        """
        pair = (source, credentials)
        if holder is None or pair not in self._familiar:
            wait = self._strangers.take(source, now)
            if wait or holder is None:
                return wait
        self._remember(pair)
        return self._holders.take(holder, now)

    def _remember(self, pair: tuple[str, bytes]) -> None:
        self._familiar[pair] = None
        self._familiar.move_to_end(pair)
        if len(self._familiar) > _REMEMBERED:
            self._familiar.popitem(last=False)


class RateGuard:
    """Middleware."""

    def __init__(
        self,
        app: ASGIApp,
        rate: RateSettings,
        holder: Callable[[str], Principal | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._gate = Gate(rate)
        self._holder = holder
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse before anything was read."""
        wait = self._wait(scope) if scope["type"] == "http" and scope["path"] not in EXEMPT else 0.0
        if not wait:
            await self._app(scope, receive, send)
            return
        seconds = math.ceil(wait)
        refusal = problem(
            "rate-limited", f"Ask again in {seconds} s, and less often.", headers={"Retry-After": str(seconds)}
        )
        await refusal(scope, receive, send)

    def _wait(self, scope: Scope) -> float:
        authorization = Headers(scope=scope).get("authorization", "")
        digest = hashlib.sha256(authorization.encode("latin-1")).digest()
        principal = self._holder(authorization)
        return self._gate.wait(source_of(scope), digest, principal.name if principal else None, self._clock())
