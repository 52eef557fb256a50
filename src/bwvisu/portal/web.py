"""What all pages share: who asks, what was posted, and where errors lead."""

import secrets
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import Depends, Request
from starlette.responses import RedirectResponse, Response

from bwvisu.domain.origin import Address, plain_address
from bwvisu.errors import UserError
from bwvisu.portal.api import Api
from bwvisu.portal.form import PREFIX
from bwvisu.portal.look import LANGUAGES, THEMES, Look
from bwvisu.portal.session import Person, csrf_token, signed_in

LONGEST_FORM = 64 * 1024
"""Bytes; the API takes no longer bodies either."""
MOST_FIELDS = 400
SHOW_AGAIN = "choose-cluster"
"""What a form ``do``es that is to come back as it was sent, and nothing else."""
CHOOSE_LOOK = "choose-look"
"""The same, in another language or theme."""


class SignInNeeded(Exception):
    """Nobody is signed in."""


class Stale(UserError):
    """The form was not sent from a page of this session."""

    slug = "stale-form"


class Forbidden(UserError):
    """Only for administrators."""

    slug = "forbidden"


class TooLarge(UserError):
    """The form is longer than any of ours."""

    slug = "body-too-large"


Posted = Mapping[str, str]


async def read_form(request: Request) -> dict[str, str]:
    """The fields that were posted; the last of a name wins.  Raises TooLarge, UserError."""
    if hasattr(request.state, "form"):
        return dict(request.state.form)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_FORM:
            raise TooLarge("The form is too long.")
    try:
        request.state.form = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError as error:
        raise UserError("The form cannot be read.") from error
    return dict(request.state.form)


async def posted(request: Request) -> Posted:
    """A form that a page of this very session has sent.  Raises SignInNeeded, Stale, TooLarge."""
    person_of(request)
    form = await read_form(request)
    check_csrf(request, form)
    return form


async def posted_again(request: Request) -> Posted:
    """Like `posted`; what was filled in on a page of an older session is to be looked through and sent again.

    Raises SignInNeeded, Stale, TooLarge.
    """
    try:
        return await posted(request)
    except Stale:
        form = await read_form(request)
        if not filled_in(form):
            raise
        words = look_of(request).words(request)
        tell(request, words.gettext("You have signed in since. Look through what you filled in, and send it again."))
        return {**form, "do": SHOW_AGAIN}


def filled_in(form: Posted) -> bool:
    """Whether somebody has taken pains with it: it has parameters of an application."""
    return any(key.startswith(PREFIX) for key in form)


def check_csrf(request: Request, form: Posted) -> None:
    """Raises Stale."""
    sent = form.get("csrf") or request.headers.get("x-csrf-token", "")
    if not secrets.compare_digest(sent.encode(), csrf_token(request.session).encode()):
        raise Stale("This page was too old. Please try again.")


def person_of(request: Request) -> Person:
    """Who is signed in.  Raises SignInNeeded."""
    person = signed_in(request.session)
    if person is None:
        raise SignInNeeded
    return person


def api_of(request: Request) -> Api:
    """The REST API as the signed-in person may use it.  Raises SignInNeeded."""
    api: Api = request.app.state.api
    return api.acting_for(person_of(request).user)


def visitor_of(request: Request) -> Address | None:
    """Where the visitor's connection comes from; ``portal.trusted_proxies`` are believed.  None: not known."""
    return plain_address(request.client.host) if request.client else None


def family_of(request: Request) -> int | None:
    """The visitor's IP version."""
    address = visitor_of(request)
    return address.version if address else None


def administrator_of(request: Request) -> Api:
    """The REST API as the portal itself may use it, for an administrator.  Raises SignInNeeded, Forbidden."""
    person = person_of(request)
    if not person.administrator:
        raise Forbidden("Only administrators may see this page.")
    api: Api = request.app.state.api
    return api.administered_by(person.user)


def look_of(request: Request) -> Look:
    """How pages are made."""
    look: Look = request.app.state.look
    return look


def choose_look(request: Request, form: Posted) -> None:
    """Language and theme, kept in the session."""
    if form.get("language") in LANGUAGES:
        request.session["language"] = form["language"]
    if form.get("theme") in THEMES:
        request.session["theme"] = form["theme"]


def redirect(where: str, **query: str) -> Response:
    """Go to a page of ours, by GET."""
    return RedirectResponse(f"{where}?{urlencode(query)}" if query else where, 303)


def tell(request: Request, words: str, kind: str = "good") -> None:
    """Show words on the next page, once."""
    request.session["told"] = [*request.session.get("told", []), [kind, words]][-3:]


OnePerson = Annotated[Person, Depends(person_of)]
TheApi = Annotated[Api, Depends(api_of)]
AdminApi = Annotated[Api, Depends(administrator_of)]
Pages = Annotated[Look, Depends(look_of)]
PostedForm = Annotated[Mapping[str, str], Depends(posted)]
PostedAgain = Annotated[Mapping[str, str], Depends(posted_again)]
