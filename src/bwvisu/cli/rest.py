"""The command line's way to the REST API: one call, and every answer that is not a success as an error of our tree."""

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import httpx2

from bwvisu.cli.exits import NotSignedIn
from bwvisu.cli.output import notice
from bwvisu.cli.profiles import Connection
from bwvisu.errors import Conflict, Fault, InvalidInput, NotFound, OperatorError, TryAgain, UserError

Json = dict[str, Any]
T = TypeVar("T")

PAGE = 500
"""Jobs; the most that the API gives at once."""
PATIENCE = 30.0
"""Seconds for which a call is repeated that may be repeated."""
SILENCE = 25.0
"""Seconds without a byte after which an event stream is dead; the API sends a comment every 10 s."""
LARGEST_EVENT = 32 << 20
"""Bytes; 200 jobs with the longest parameters."""


class NotAsRead(Conflict):
    """The thing has changed since it was read (412)."""

    slug = "precondition-failed"


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
        return _document(self.answer(method, path, json=json, query=query, headers=headers))

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
        raise as_error(answer)

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
                raise as_error(source.response)
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


def as_error(answer: httpx2.Response) -> UserError | TryAgain | OperatorError:
    """A problem as the error that caused it."""
    told = _problem(answer)
    detail = str(told.get("detail") or f"{answer.status_code} {answer.reason_phrase}")
    slug = str(told.get("type", "")).removeprefix("/problems/") or None
    match answer.status_code:
        case 422 if isinstance(told.get("errors"), list):
            return InvalidInput([_fault(each) for each in told["errors"]], slug=slug)
        case 429 | 502 | 503 | 504:
            after = answer.headers.get("retry-after", "")
            return TryAgain(detail, after=int(after) if after.isdecimal() else 5)
        case 501:
            return UserError(detail, slug=slug)
        case status if status >= 500:
            return OperatorError(detail)
        case status:
            return _REFUSALS.get(status, UserError)(detail, slug=slug)


_REFUSALS: Mapping[int, type[UserError]] = {401: NotSignedIn, 404: NotFound, 409: Conflict, 412: NotAsRead}


def _fault(told: Any) -> Fault:
    told = told if isinstance(told, dict) else {"detail": told}
    return Fault(str(told.get("pointer", "")), str(told.get("detail", "")))


def _problem(answer: httpx2.Response) -> Json:
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        return _document(answer)
    return {}


def _document(answer: httpx2.Response) -> Json:
    try:
        content = answer.json()
    except ValueError as error:
        raise OperatorError("the answer is not JSON: is this the address of a bwVisu API?") from error
    if not isinstance(content, dict):
        raise OperatorError("the answer is not what a bwVisu API says")
    return content
