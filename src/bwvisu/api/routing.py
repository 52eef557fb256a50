"""What the routes share: the context, answers that are rendered once, and the errors that each call declares."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from pydantic import BaseModel
from starlette.responses import Response

from bwvisu.api.etags import has
from bwvisu.api.problems import KINDS, MEDIA_TYPE
from bwvisu.errors import TryAgain
from bwvisu.services.context import Context

BODY = ("bad-request", "malformed-json", "slow-body", "body-too-large", "unsupported-media-type", "invalid-input")
"""What any call with a body may meet."""
_ACTING = ("bad-request", "impersonation-missing", "forbidden")
"""What naming a person to act for may meet."""
GUARDS = ("address-too-long", "rate-limited", "headers-too-large")
"""What refuses any call before it is looked at."""
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_AGAIN = ("Retry-After", "Seconds after which to try again.")
_HEADERS: Mapping[int | str, tuple[str, str]] = {
    401: ("WWW-Authenticate", "How to say who you are."),
    429: _AGAIN,
    503: _AGAIN,
}
"""What comes with every problem of a status."""


async def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


AnyContext = Annotated[Context, Depends(_context)]
"""The services' context, whatever they know."""


async def _ready_context(request: Request) -> Context:  # each dependency of a dependency costs every call a twentieth
    context: Context = request.app.state.context
    if not context.state.ready:
        raise TryAgain("the service has just started and is still reading its records", after=1)
    return context


Services = Annotated[Context, Depends(_ready_context)]
"""The services' context, once everything has been read: half a list would be a wrong answer."""


IfNoneMatch = Annotated[str | None, Header(description="An `ETag`: 304 while nothing has changed.")]


def answer(document: BaseModel, status: int = 200, **headers: str) -> Response:
    """A document as JSON; rendered by pydantic at once, since it is valid by construction."""
    return _json(document.model_dump_json(), status, headers)


def answer_json(values: Mapping[str, Any], status: int = 200, **headers: str) -> Response:
    """Somebody's own object as JSON."""
    return _json(json.dumps(values, ensure_ascii=False), status, headers)


def answer_page(documents: Sequence[bytes], next_cursor: str | None) -> Response:
    """A page of documents that are JSON already."""
    cursor = json.dumps(next_cursor).encode()
    return _json(b'{"items":[%b],"next_cursor":%b}' % (b",".join(documents), cursor), 200, {})


def _json(text: str | bytes, status: int, headers: Mapping[str, str]) -> Response:
    return Response(
        text,
        status_code=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        media_type="application/json",
    )


def unchanged(if_none_match: str | None, etag: str) -> Response | None:
    """304 where the client has this very version."""
    known = if_none_match is not None and has(if_none_match, etag)
    return Response(status_code=304, headers={"ETag": etag}) if known else None


def errors(*slugs: str) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route: these problems, and those that any call with a token may meet."""
    asking = ("not-authenticated", "scope-missing", "invalid-input")
    return declared(*slugs, *GUARDS, *_ACTING, *asking, "internal", "unavailable", "out-of-order")


def declared(*slugs: str) -> dict[int | str, dict[str, Any]]:
    """Problems by status, each with its slugs."""
    by_status: dict[int | str, list[str]] = {}
    for slug in dict.fromkeys(slugs):
        by_status.setdefault(KINDS[slug][0], []).append(slug)
    return {status: _response(status, found) for status, found in sorted(by_status.items(), key=str)}


def _response(status: int | str, slugs: Sequence[str]) -> dict[str, Any]:
    """One status, an example for each of its problems: the slugs for machines."""
    examples = {
        slug: {"value": {"type": f"/problems/{slug}", "title": KINDS[slug][1], "status": status, "detail": "…"}}
        for slug in slugs
    }
    response: dict[str, Any] = {
        "description": " · ".join(f"`{slug}`: {KINDS[slug][1]}" for slug in slugs),
        "content": {MEDIA_TYPE: {"schema": _PROBLEM, "examples": examples}},
    }
    if status in _HEADERS:
        name, said = _HEADERS[status]
        response["headers"] = {name: {"description": said, "schema": {"type": "string"}}}
    return response
