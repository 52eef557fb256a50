"""The longest address and headers that are taken: refused at once, in words."""

from starlette.types import ASGIApp, Receive, Scope, Send

from bwvisu.api.problems import problem

LONGEST_ADDRESS = 8 * 1024
"""Bytes of path and query."""
LONGEST_HEADERS = 16 * 1024
"""Bytes of all names and values."""
CLOSE = {"Connection": "close"}


class HeadGuard:
    """Middleware.  Heads beyond 64 KiB uvicorn refuses before this, unless they arrive in one piece."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Go on or refuse."""
        if scope["type"] == "http":
            if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_ADDRESS:
                refusal = problem("address-too-long", f"At most {LONGEST_ADDRESS} bytes.", headers=CLOSE)
                return await refusal(scope, receive, send)
            if sum(len(name) + len(value) for name, value in scope["headers"]) > LONGEST_HEADERS:
                refusal = problem("headers-too-large", f"At most {LONGEST_HEADERS} bytes.", headers=CLOSE)
                return await refusal(scope, receive, send)
        await self._app(scope, receive, send)
        return None
