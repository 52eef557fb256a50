"""Connections that ask over HTTP/1.1 at little cost: on two cores, a slow client would be what is measured."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any


class Line:
    """One connection to a server on loopback, kept open; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: Mapping[str, str]) -> None:
        self._reader = reader
        self._writer = writer
        self._head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "bench", **headers}.items())

    async def ask(self, path: str, post: Any = None, expect: int = 200) -> bytes:
        """GET, or POST of a document as JSON; the body.  AssertionError for any other status than is expected."""
        body = b"" if post is None else json.dumps(post).encode()
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        method = "POST" if body else "GET"
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{self._head}{kind}\r\n".encode() + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        size = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        answer = await self._reader.readexactly(size)
        assert int(head.split()[1]) == expect, (path, head, answer)
        return answer


@asynccontextmanager
async def lines(port: int, count: int, headers: Mapping[str, str]) -> AsyncIterator[list[Line]]:
    """So many connections; ``headers`` go with every request.  Raises ConnectionError."""
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            opened.append(Line(reader, writer, headers))
        yield opened
