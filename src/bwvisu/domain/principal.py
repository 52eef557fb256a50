"""Who asks: the holder of a token, what the token allows, and the person whom the holder acts for."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self


class Scope(StrEnum):
    """What a token allows; the names are the API's contract."""

    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    JOBS_CONNECT = "jobs:connect"
    CLUSTERS_READ = "clusters:read"
    IMPERSONATE = "impersonate"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a token.  ``user`` is the one person that it may act for; None: anybody.

    ``behalf``: the person whom a frontend has named as the one that asks; then ``user`` is this person.
    ``requested_by``: the person at the frontend who had it ask in its own name; that changes no right.
    """

    name: str
    scopes: frozenset[Scope]
    user: str | None = None
    behalf: str | None = None
    requested_by: str | None = None

    @property
    def person(self) -> str:
        """Who asks, in one word for people: the person, else the token."""
        return self.user or self.requested_by or self.name

    def may(self, scope: Scope) -> bool:
        """Whether the token has this scope."""
        return scope in self.scopes

    def acting_for(self, person: str) -> Self:
        """Bound to this person, exactly as a token would be that is made with ``--user``."""
        return replace(self, user=person, behalf=person)

    def requested(self, person: str) -> Self:
        """The same holder, who says which person has it ask."""
        return replace(self, requested_by=person)

    def may_see(self, user: str) -> bool:
        """Whether things of ``user`` exist for this principal at all."""
        return self.user is None or self.user == user
