"""Errors of the keyhole's API as RFC 9457 problems; one table says which status each kind has."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import ValidationError

from keyhole.domain import Refusal

KINDS: Mapping[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be understood"),
    "not-authenticated": (401, "Not signed by a known job"),
    "clock-skew": (401, "The clocks differ too much"),
    "address-not-allowed": (403, "Forwards may not lead to this host"),
    "foreign-host": (403, "The job does not run on these hosts"),
    "foreign-job": (403, "This is not the job's own Slurm job"),
    "not-wanted": (403, "The job is to end, or has ended"),
    "not-found": (404, "No such call"),
    "method-not-allowed": (405, "No such method here"),
    "slow-body": (408, "The body came too slowly"),
    "different-request": (409, "This run has asked before, for something else"),
    "superseded": (409, "A later attempt has taken this one's place"),
    "seq-used": (409, "This report has been sent before"),
    "body-too-large": (413, "The body is too large"),
    "too-many-ports": (422, "More ports than a job may have"),
    "too-many-reports": (429, "More reports than a job may send"),
    "too-many-failures": (429, "Too many requests that were not authenticated"),
    "internal": (500, "The keyhole failed"),
    "port-pool-exhausted": (503, "No port of a gateway is free"),
    "unavailable": (503, "The keyhole cannot reach its records"),
}
"""Slug -> status and title.  Refusals of the leader use the same slugs."""
MOST_FAULTS = 20
"""That one answer tells of: 20,000 bad host names must not become a megabyte."""


class Problem(Exception):
    """An answer that is not a success.  ``members`` go into the body, ``retry_after`` (seconds) into the header."""

    def __init__(
        self, slug: str, detail: str, *, retry_after: float | None = None, status: int | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        known, title = KINDS.get(slug, (403, "Refused"))
        self.status = status or known
        self.content = {"type": f"/problems/{slug}", "title": title, "status": self.status, "detail": detail, **members}
        self.headers: dict[str, str] = {}
        if retry_after is not None:
            self.headers["Retry-After"] = str(math.ceil(retry_after))
        if self.status == 401:
            self.headers["WWW-Authenticate"] = "Keyhole"
        if self.status == 408:
            self.headers["Connection"] = "close"  # the rest of the body may never come

    def response(self) -> JSONResponse:
        """As it goes over the wire."""
        return JSONResponse(
            self.content, status_code=self.status, headers=self.headers, media_type="application/problem+json"
        )


def refused(refusal: Refusal) -> Problem:
    """The leader's no.  One that is not final asks the client to come again, whatever its code is."""
    if refusal.final:
        return Problem(refusal.code, refusal.message)
    status = KINDS[refusal.code][0] if refusal.code in KINDS else 503
    return Problem(refusal.code, refusal.message, retry_after=2, status=status)


def invalid(error: ValidationError) -> Problem:
    """Bad input, its first faults with their JSON pointers (RFC 6901); what was sent is not repeated."""
    faults = error.errors(include_input=False)[:MOST_FAULTS]
    return bad_request(*({"pointer": pointer(fault["loc"]), "detail": fault["msg"]} for fault in faults))


def bad_request(*errors: Mapping[str, str]) -> Problem:
    """400 with ``errors[] {pointer, detail}``."""
    return Problem("bad-request", "The body does not have the expected form.", errors=list(errors))


def pointer(location: Sequence[int | str]) -> str:
    """``("hosts", 0)`` -> ``/hosts/0``."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in location)
