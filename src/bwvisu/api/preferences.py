"""``/api/v1/users/{user}/preferences``: what a frontend keeps for a person."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header
from pydantic import RootModel
from starlette.responses import Response

from bwvisu.api.auth import JobReader, JobWriter
from bwvisu.api.etags import etag, listed, named
from bwvisu.api.routing import BODY, Services, answer_json, errors
from bwvisu.services.preferences import Kept, keep, preferences

router = APIRouter(prefix="/api/v1/users", tags=["users"])

_IfNoneMatch = Annotated[str | None, Header(description="An `ETag`: 304 while nothing has changed.")]
_OnlyNew = Annotated[
    str | None, Header(alias="If-None-Match", description="`*`: only where nothing is kept yet, else 412.")
]
_IfMatch = Annotated[
    str | None, Header(description="The `ETag` of what is to be replaced, else 412. Without: the last writer wins.")
]
_ETAG = {"ETag": {"description": "Version of what is kept", "schema": {"type": "string"}}}


class Preferences(RootModel[dict[str, Any]]):
    """Any object of up to 32 KiB and 16 levels."""


@router.get(
    "/{user}/preferences",
    operation_id="getPreferences",
    summary="Show a user's preferences",
    response_model=Preferences,
    responses={
        200: {"description": "What was kept last", "headers": _ETAG},
        304: {"description": "Nothing has changed"},
        **errors("user-not-found", "forbidden"),
    },
)
async def get_preferences(
    context: Services, principal: JobReader, user: str, if_none_match: _IfNoneMatch = None
) -> Response:
    """What was kept last; an empty object where nothing was."""
    kept = await preferences(context, principal, user)
    if if_none_match is not None and listed(if_none_match, kept.revision):
        return Response(status_code=304, headers={"ETag": etag(kept.revision)})
    return _answer(kept)


@router.put(
    "/{user}/preferences",
    operation_id="putPreferences",
    summary="Keep a user's preferences",
    response_model=Preferences,
    responses={
        200: {"description": "They are kept", "headers": _ETAG},
        **errors(*BODY, "user-not-found", "forbidden", "precondition-failed"),
    },
)
async def put_preferences(
    context: Services,
    principal: JobWriter,
    user: str,
    values: Preferences,
    if_match: _IfMatch = None,
    only_new: _OnlyNew = None,
) -> Response:
    """Put this object in the place of what is kept."""
    return _answer(await keep(context, principal, user, values.root, _admits(if_match, only_new)))


def _answer(kept: Kept) -> Response:
    return answer_json(kept.values, ETag=etag(kept.revision), Cache_Control="no-cache")


def _admits(if_match: str | None, if_none_match: str | None) -> Callable[[int], bool] | None:
    """Which versions may be replaced (RFC 9110, section 13.2.2: If-Match comes first)."""
    if if_match is not None:
        return lambda revision: named(if_match, revision)
    if if_none_match is not None:
        return lambda revision: not listed(if_none_match, revision)
    return None
