"""One id for all that follows from a request: its answer, log lines, the record of a job, what the leader does of it.

It is drawn where a request first comes in, or taken from whoever is in front (``X-Request-Id``), where it has the form
of one: what an asker may write into our logs is 32 hexadecimal digits and nothing else.
"""

import re
import secrets
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars, get_contextvars

HEADER = "X-Request-Id"
FIELD = "request"
"""Under which it stands in log lines and records."""
BYTES = 16
_FORM = re.compile(r"[0-9a-f]{32}", re.ASCII)


def request_id() -> str | None:
    """The id of the request that is being answered, or that the present work follows from; None: of no request."""
    found = get_contextvars().get(FIELD)
    return found if isinstance(found, str) and found else None


class RequestIds:
    """Middleware, outside of all that logs."""

    def __init__(self, app: ASGIApp, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._app = app
        self._random = random

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; the answer carries the id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "").replace("-", "")
        own = given if _FORM.fullmatch(given) else self._random(BYTES).hex()

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(raw=message["headers"])[HEADER] = own
            await send(message)

        with bound_contextvars(**{FIELD: own}):
            await self._app(scope, receive, told)
