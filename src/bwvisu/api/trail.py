"""What is known of a request by the time it is answered, for those who log and count it from outside."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.types import Scope

from bwvisu.domain.job import JobId
from bwvisu.domain.principal import Principal


@dataclass(slots=True)
class Trail:
    """Filled on the way in; a route adds what its path does not say."""

    principal: Principal | None = None
    """Who asks, once that is proven."""
    job: JobId | None = None
    """The job that was made."""
    user: str | None = None
    """Whose thing it is."""
    guest: str | None = None
    """Who is to be let in, or no more."""
    entry: str | None = None
    """The admission or share that it is about, by its id; never a link's token."""
    address: str | None = None
    """The address or network that is admitted, or no more."""
    problem: str | None = None
    """Slug of the answer, where it is a problem."""


def trail_of(scope: Scope) -> Trail:
    """The request's trail."""
    state: dict[str, Any] = scope.setdefault("state", {})
    trail: Trail = state.setdefault("trail", Trail())
    return trail


async def _trail(request: Request) -> Trail:
    return trail_of(request.scope)


OpenTrail = Annotated[Trail, Depends(_trail)]
"""For routes whose job or user is not in their path."""
