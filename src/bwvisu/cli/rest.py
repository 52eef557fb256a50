"""The command line's way to the REST API: one call, and every answer that is not a success as an error of our tree."""

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Self, TypeVar

import httpx2

from bwvisu.cli.exits import NotSignedIn
from bwvisu.cli.output import notice
from bwvisu.cli.profiles import Connection
from bwvisu.errors import OperatorError, TryAgain, UserError
from bwvisu.rest import Json, as_error, document

T = TypeVar("T")
REFUSALS: Mapping[int, type[UserError]] = {401: NotSignedIn}
"""What a status means to the command line beyond what it means to every client."""

PAGE = 500
"""Jobs; the most that the API gives at once."""
PATIENCE = 30.0
"""Seconds for which a call is repeated that may be repeated."""
SILENCE = 25.0
"""Seconds without a byte after which an event stream is dead; the API sends a comment every 10 s."""
LARGEST_EVENT = 32 << 20
"""Bytes; 200 jobs with the longest parameters."""


class Rest:
    """A context manager.  Calls raise UserError, TryAgain, OperatorError."""

    def __init__(self, connection: Connection, *, timeout: float = 30) -> None:
        """``timeout``: seconds for each step of a call.  Raises UserError for a bad URL, OperatorError for a bad CA."""
        self.connection = connection
        headers = {"Authorization": f"Bearer {connection.token}"}
        with self._told():
            self._client = httpx2.Client(
                base_url=connection.url, headers=headers, timeout=timeout, verify=_trust(connection)
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Json | None = None,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        """One call below ``/api/v1``; the document that it answers."""
        return document(self.answer(method, path, json=json, query=query, headers=headers))

    def answer(
        self,
        method: str,
        path: str,
        *,
        json: Json | None = None,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """One call below ``/api/v1``; a successful answer."""
        with self._told():
            answer = self._client.request(method, f"/api/v1{path}", json=json, params=query, headers=headers)
        if answer.is_success:
            return answer
        raise as_error(answer, REFUSALS)

    def pages(self, path: str, query: Mapping[str, str | int]) -> Iterator[Json]:
        """Every item of a list, page by page."""
        cursor: dict[str, str] = {}
        while True:
            page = self.call("GET", path, query={**query, **cursor})
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}

    @contextmanager
    def events(
        self, path: str, query: Mapping[str, str | int], last_id: str
    ) -> Iterator[Iterator[httpx2.ServerSentEvent]]:
        """An event stream from after ``last_id`` (empty: from a snapshot).  It ends when the API ends it."""
        with (
            self._told(),
            self._client.sse(
                f"/api/v1{path}",
                params=query,
                headers={"Last-Event-ID": last_id} if last_id else {},
                timeout=httpx2.Timeout(30, read=SILENCE),
                max_event_size=LARGEST_EVENT,
            ) as source,
        ):
            if not source.response.is_success:
                source.response.read()
                raise as_error(source.response, REFUSALS)
            yield iter(source)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the client library raises, as errors of our tree."""
        url = self.connection.url
        try:
            yield
        except httpx2.InvalidURL as error:
            raise UserError(f"{url} is not an address: {error}") from error
        except httpx2.UnsupportedProtocol as error:
            raise UserError(f"{url} is not an http:// or https:// address") from error
        except httpx2.HTTPError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                words = f"the certificate of {url} is not trusted ({error}); the profile's ca_file names an authority"
                raise OperatorError(words) from error
            raise TryAgain(f"{url} does not answer: {error or type(error).__name__}", after=1) from error


def persistently(
    call: Callable[[], T],
    *,
    patience: float = PATIENCE,
    wait: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> T:
    """Repeat a call that may be repeated, as long as time is what it needs and ``patience`` seconds are not over."""
    deadline, told = now() + patience, False
    while True:
        try:
            return call()
        except TryAgain as error:
            if now() + error.after > deadline:
                raise
            if not told:
                notice(f"{error}; trying again for {patience:.0f} s")
            told = True
            wait(error.after)


def _trust(connection: Connection) -> ssl.SSLContext | bool:
    if connection.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=connection.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise OperatorError(f"{connection.ca_file} holds no certificate of an authority: {error}") from error
