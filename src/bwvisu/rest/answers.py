"""What the API answered, when it was not what was asked for."""

from collections.abc import Mapping
from typing import Any

import httpx2

from bwvisu.errors import Conflict, Fault, InvalidInput, NotFound, OperatorError, TryAgain, UserError

Json = dict[str, Any]


class NotAsRead(Conflict):
    """The thing has changed since it was read (412)."""

    slug = "precondition-failed"


def as_error(
    answer: httpx2.Response, refusals: Mapping[int, type[UserError]] | None = None
) -> UserError | TryAgain | OperatorError:
    """A problem as the error that caused it; ``refusals``: a caller's own errors for some status codes."""
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
            return {**_REFUSALS, **(refusals or {})}.get(status, UserError)(detail, slug=slug)


_REFUSALS: Mapping[int, type[UserError]] = {404: NotFound, 409: Conflict, 412: NotAsRead}


def _fault(told: Any) -> Fault:
    told = told if isinstance(told, dict) else {"detail": told}
    return Fault(str(told.get("pointer", "")), str(told.get("detail", "")))


def _problem(answer: httpx2.Response) -> Json:
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        return document(answer)
    return {}


def document(answer: httpx2.Response) -> Json:
    """The JSON object that was answered.  Raises OperatorError for anything else."""
    try:
        content = answer.json()
    except ValueError as error:
        raise OperatorError("the answer is not JSON: is this the address of a bwVisu API?") from error
    if not isinstance(content, dict):
        raise OperatorError("the answer is not what a bwVisu API says")
    return content
