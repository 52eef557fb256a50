"""What HTTP asks of every resource (RFC 9110), done once before anything else sees a request.

HEAD is answered as GET would be, without the body (section 9.3.2).  Several lines of a header that is a list are one
list (section 5.3): FastAPI would read the first of them.
"""

import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LISTS = (b"if-match", b"if-none-match")


class Semantics:
    """Middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what means the same and is easier to understand."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        joined = {**scope, "headers": _joined(scope["headers"])}
        if scope["method"] != "HEAD":
            await self._app(joined, receive, send)
            return
        with contextlib.suppress(_Enough):
            await self._app({**joined, "method": "GET"}, receive, _Head(send))


class _Enough(Exception):
    """The answer has begun, and would go on: an event stream never ends by itself."""


class _Head:
    """Sends the beginning of an answer, and ends it there."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._ended = False

    async def __call__(self, message: Message) -> None:
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        if not self._ended:
            self._ended = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        if message.get("more_body", False):
            raise _Enough


def _joined(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The same headers; of each list there is one line at most."""
    lists = {name: [value for each, value in headers if each == name] for name in _LISTS}
    if all(len(lines) < 2 for lines in lists.values()):
        return headers
    rest = [(name, value) for name, value in headers if name not in lists]
    return rest + [(name, b", ".join(lines)) for name, lines in lists.items() if lines]
