"""Bodies are read before anything else happens: up to a limit, within a time, or refused."""

import asyncio

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bwvisu.api.problems import problem

LONGEST = 64 * 1024
"""Bytes."""
PATIENCE = 10.0
"""Seconds for the whole body."""


class BodyGuard:
    """Middleware.  What goes on has its whole, short body; uvicorn closes a connection whose body was not read."""

    def __init__(self, app: ASGIApp, longest: int = LONGEST, patience: float = PATIENCE) -> None:
        self._app = app
        self._longest = longest
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then go on or refuse."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._patience):
                body = await self._read(scope, receive)
        except TimeoutError:
            refusal: Response = problem(
                "slow-body", f"The body took longer than {self._patience:g} s.", headers={"Connection": "close"}
            )
            await refusal(scope, receive, send)
            return
        except _Unfinished:
            # Nobody reads the answer; it is for the audit trail.
            refusal = problem("bad-request", "The body ended before it was complete.", headers={"Connection": "close"})
            await refusal(scope, receive, send)
            return
        if body is None:
            refusal = problem("body-too-large", f"At most {self._longest} bytes.", headers={"Connection": "close"})
            await refusal(scope, receive, send)
            return
        await self._app(scope, _Replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; None where it is too long, which is known as early as can be.  Raises _Unfinished."""
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > self._longest:
            return None
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Unfinished
            body += message.get("body", b"")
            if len(body) > self._longest:
                return None
            if not message.get("more_body", False):
                return bytes(body)


class _Unfinished(Exception):
    """The client went away in the middle of its request, which is none then (RFC 9112, section 8)."""


class _Replay:
    """Gives the body out once; afterwards only the client's going away is news."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._message: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._receive = receive

    async def __call__(self) -> Message:
        message, self._message = self._message, None
        return message if message is not None else await self._receive()
