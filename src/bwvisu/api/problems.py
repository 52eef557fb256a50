"""Errors as RFC 9457 problems.  One table says which status and title each kind has; its slugs never change."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from bwvisu.adapters.etcd import OutcomeUnknown
from bwvisu.api.trail import trail_of
from bwvisu.errors import Conflict, Fault, InvalidInput, NotFound, OperatorError, TryAgain, UserError
from bwvisu.services.quota import LimitReached

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

KINDS: Mapping[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be understood"),
    "malformed-json": (400, "The body is not JSON"),
    "not-authenticated": (401, "A valid token is needed"),
    "forbidden": (403, "Not allowed"),
    "scope-missing": (403, "The token does not allow this"),
    "impersonation-missing": (403, "The token may not act for people"),
    "not-found": (404, "Not found"),
    "job-not-found": (404, "No such job"),
    "application-not-found": (404, "No such application"),
    "cluster-not-found": (404, "No such cluster"),
    "user-not-found": (404, "No such user"),
    "gateway-not-found": (404, "No such gateway"),
    "share-not-found": (404, "No such link"),
    "method-not-allowed": (405, "No such method here"),
    "slow-body": (408, "The body came too slowly"),
    "conflict": (409, "Not possible in the present state"),
    "job-not-available": (409, "The job is not available"),
    "no-log-yet": (409, "The job has reported no lines yet"),
    "limit-reached": (409, "No more jobs are allowed at present"),
    "not-keepable": (409, "The job cannot be kept any more"),
    "not-extendable": (409, "The job's run time cannot be changed so"),
    "job-over": (409, "The job is over"),
    "forwards-open": (409, "Addresses are not admitted here"),
    "address-family": (409, "This address cannot reach the job's gateway"),
    "too-many": (409, "No more entries are allowed"),
    "view-only-impossible": (409, "The application knows no mere onlookers"),
    "precondition-failed": (412, "It has changed since"),
    "body-too-large": (413, "The body is too large"),
    "address-too-long": (414, "The address is too long"),
    "unsupported-media-type": (415, "The body must be JSON"),
    "invalid-input": (422, "The request has invalid values"),
    "unknown-application": (422, "No such application"),
    "unknown-cluster": (422, "No such cluster"),
    "unknown-user": (422, "The cluster knows no such user"),
    "user-not-allowed": (422, "This user may not run jobs"),
    "idempotency-key-reused": (422, "The idempotency key was used for another request"),
    "precondition-required": (428, "Say which version is meant"),
    "rate-limited": (429, "Too many requests"),
    "headers-too-large": (431, "The headers are too large"),
    "internal": (500, "The service failed"),
    "not-ready": (503, "Not ready"),
    "unavailable": (503, "The service cannot do this at the moment"),
    "out-of-order": (503, "The service needs its administrator"),
}
"""Slug -> status and title."""

_BY_STATUS = {400: "bad-request", 404: "not-found", 405: "method-not-allowed", 413: "body-too-large"}


class ProblemError(BaseModel):
    """One wrong value."""

    pointer: str = Field(description="RFC 6901 pointer into the body, or `/` and the name of a query parameter.")
    detail: str


class ProblemLimit(BaseModel):
    """How many jobs there are, and how many one person may have."""

    used: int
    allowed: int
    application: str | None = Field(description="Only jobs of this one count; without: all of them.")


class Problem(BaseModel):
    """RFC 9457: what went wrong."""

    type: str = Field(description="`/problems/<slug>`, stable.", examples=["/problems/job-not-found"])
    title: str
    status: int
    detail: str
    errors: list[ProblemError] | None = Field(default=None, description="For bad input: each wrong value.")
    limit: ProblemLimit | None = Field(default=None, description="For `limit-reached`: the numbers.")


class _Answer(Response):
    """Notes its slug in the request's trail, whoever sends it."""

    media_type = MEDIA_TYPE

    def __init__(self, slug: str, problem: Problem, headers: Mapping[str, str] | None) -> None:
        super().__init__(problem.model_dump_json(exclude_none=True), status_code=problem.status, headers=headers)
        self._slug = slug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        trail_of(scope).problem = self._slug
        await super().__call__(scope, receive, send)


def problem(
    slug: str,
    detail: str,
    *,
    faults: Sequence[Fault] | None = None,
    limit: ProblemLimit | None = None,
    fallback: int = 400,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for a slug; one that the table does not have gets the status ``fallback``."""
    status, title = KINDS.get(slug, (fallback, HTTPStatus(fallback).phrase))
    errors = None if faults is None else [ProblemError(pointer=each.pointer, detail=each.detail) for each in faults]
    body = Problem(type=f"/problems/{slug}", title=title, status=status, detail=detail, errors=errors, limit=limit)
    return _Answer(slug, body, headers)


class NotAuthenticated(UserError):
    """No token, or one that is not known; which of them is nobody's business."""

    slug = "not-authenticated"
    challenge = "Bearer"
    """What ``WWW-Authenticate`` asks for."""


def install(app: FastAPI) -> None:
    """Have every error of this app leave as a problem."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


def problem_of(request: Request, error: Exception) -> Response:
    """The problem that an error leaves as, for who answers it in another way than `install`."""
    return next(_HANDLERS[kind] for kind in type(error).__mro__ if kind in _HANDLERS)(request, error)


def _user_error(_: Request, error: Exception) -> Response:
    match error:
        case InvalidInput():
            return problem(error.slug, str(error), faults=error.faults, fallback=422)
        case LimitReached(found=full):
            limit = ProblemLimit(used=full.used, allowed=full.allowed, application=full.application)
            return problem(error.slug, str(error), limit=limit)
        case NotFound():
            return problem(error.slug, str(error), fallback=404)
        case Conflict():
            return problem(error.slug, str(error), fallback=409)
        case NotAuthenticated():
            return problem(error.slug, str(error), headers={"WWW-Authenticate": error.challenge})
        case UserError():
            return problem(error.slug, str(error))
    raise error


def _try_again(request: Request, error: Exception) -> Response:
    log.warning("try-again", path=request.url.path, reason=str(error))
    after = error.after if isinstance(error, TryAgain) else 5
    ours = type(error) is TryAgain
    detail = str(error) if ours else "The store does not answer; try again later."
    return problem("unavailable", detail, headers={"Retry-After": str(after)})


def _operator_error(request: Request, error: Exception) -> Response:
    log.error("out-of-order", path=request.url.path, reason=str(error))
    return problem("out-of-order", "An administrator must act; the log says what.", headers={"Retry-After": "60"})


def _internal(_: Request, error: Exception) -> Response:
    log.error("internal-error", kind=type(error).__name__, exc_info=error)
    return problem("internal", "This is a defect of the service; its log knows more.")


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 starlette's dispatch
    if error.status_code == 405:
        allowed = ", ".join(_methods(request))
        return problem("method-not-allowed", f"Here is only {allowed}.", headers={"Allow": allowed})
    detail = "There is nothing at this address." if error.status_code == 404 else str(error.detail)
    if error.status_code == 400 and detail == _UNPARSED:
        return problem("malformed-json", "The body is not JSON in UTF-8, or is nested too deeply.")
    slug = _BY_STATUS.get(error.status_code, "bad-request")
    return problem(slug, detail, headers=error.headers)


_UNPARSED = "There was an error parsing the body"
"""FastAPI's words where the parser of JSON fails without saying where."""


def _methods(request: Request) -> list[str]:
    """Every method that the address has; Starlette knows only those of the first route that it has tried.

    `Semantics` has made a GET of each HEAD.
    """

    def has(method: str) -> bool:
        scope = {**request.scope, "method": "GET" if method == "HEAD" else method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return [method for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") if has(method)]


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 starlette's dispatch
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        first = faults[0]
        return problem("malformed-json", f"at character {first['loc'][-1]}: {first['ctx']['error']}")
    if any(fault["loc"] == ("body",) for fault in faults) and not _says_json(request):
        return problem("unsupported-media-type", "Send JSON, with `Content-Type: application/json`.")
    told = [Fault(pointer(fault["loc"][1:]), _words(fault["type"], fault["msg"])) for fault in faults[:MOST]]
    return problem("invalid-input", "; ".join(f"{each.pointer} {each.detail}".strip() for each in told), faults=told)


_HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Response]] = {
    UserError: _user_error,
    TryAgain: _try_again,
    OutcomeUnknown: _try_again,
    OperatorError: _operator_error,
    RequestValidationError: _invalid,
    HTTPException: _http,
    Exception: _internal,
}


MOST = 50
"""So many faults of one request are told: its sender mends some and asks again."""


def pointer(location: Sequence[int | str]) -> str:
    """``("parameters", "a/b")`` -> ``/parameters/a~1b``."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in location)


def _says_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _words(kind: str, message: str) -> str:
    plain = {"missing": "is required", "extra_forbidden": "is not a known field", "dict_type": "should be an object"}
    return plain.get(kind, message.removeprefix("Input ").removeprefix("Value error, "))
