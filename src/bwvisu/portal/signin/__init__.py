"""How people prove who they are: each kind makes a `Claim`, and one place makes a `Person` of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from fastapi import Request

from bwvisu.errors import UserError
from bwvisu.portal.api import Api
from bwvisu.portal.session import Person
from bwvisu.portal.texts import _
from bwvisu.settings import UserMapping

USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
"""Before it is written in lower case: there are letters that become another one's by that."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a directory or a provider says of somebody who has proven it."""

    name: str
    """As it was signed in with."""
    title: str
    """How the person is called."""
    groups: tuple[str, ...] = ()


@runtime_checkable
class Passwords(Protocol):
    """A kind of sign-in that asks for a name and a password."""

    async def check(self, name: str, password: str) -> Claim | None:
        """Who this is; None: name or password are wrong.  Raises TryAgain, OperatorError."""
        ...


@runtime_checkable
class Provides(Protocol):
    """A kind of sign-in for which the browser leaves the portal and comes back."""

    async def begin(self, request: Request) -> str:
        """Where to send the browser; what is needed when it comes back is put into the session.

        Raises TryAgain, OperatorError.
        """
        ...

    async def end(self, request: Request) -> Claim:
        """Who has come back.  Raises NotSignedIn, NotAdmitted, TryAgain, OperatorError."""
        ...


class Refused(UserError):
    """Nobody has signed in; ``text`` is in the catalogues, and ``values`` are put into it."""

    def __init__(self, text: str, **values: str) -> None:
        super().__init__(text % values)
        self.text = text
        self.values = values


class NotSignedIn(Refused):
    """Provider and browser did not agree that somebody has signed in; another try may go well."""

    slug = "not-signed-in"


class NotAdmitted(Refused):
    """The person is known, but may not use bwVisu."""

    slug = "not-admitted"


async def admit(claim: Claim, mapping: UserMapping, admin_groups: Sequence[str], api: Api) -> Person:
    """Who this is on the clusters.  Raises NotAdmitted; TryAgain where the API does not answer.

    A cluster that cannot tell now is taken to know the person, so that its rest keeps nobody out: each job is judged
    by the API anyway.
    """
    match = re.fullmatch(mapping.pattern, claim.name)
    if match is None or not re.fullmatch(USER, match["user"] or "", re.ASCII):
        raise NotAdmitted(_("The name “%(name)s” is not one that the clusters could know."), name=claim.name)
    user = f"{mapping.prefix}{match['user']}".lower()
    known, silent = await api.accounts(user)
    if not known and not silent:
        raise NotAdmitted(
            _("There is no account “%(user)s” on the cluster. Ask for one before you sign in here."), user=user
        )
    administrator = not frozenset(admin_groups).isdisjoint(claim.groups)
    return Person(user=user, name=claim.title or user, administrator=administrator, clusters=tuple(known + silent))
