"""Sign-in by name and password or at a provider's, sign-out, and what a session keeps of the looks."""

from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Request
from starlette.responses import Response

from bwvisu.errors import BwvisuError, OperatorError, TryAgain
from bwvisu.portal.look import Look
from bwvisu.portal.places import own_page
from bwvisu.portal.session import enter, leave, signed_in
from bwvisu.portal.signin import Claim, NotAdmitted, NotSignedIn, Passwords, Provides, Refused, admit
from bwvisu.portal.throttle import Throttle
from bwvisu.portal.web import Pages, Stale, check_csrf, choose_look, read_form, redirect
from bwvisu.settings import PortalSettings
from keyhole.throttle import source_of

log = structlog.get_logger(__name__)
router = APIRouter()
LONGEST = 256
"""Characters of a name; the throttle remembers many."""
WAY_BACK = "to"
"""Where in the session the page is that was asked for, while the browser is at the provider's."""


@router.get("/sign-in")
async def show(request: Request, look: Pages, to: str = "/") -> Response:
    """The sign-in page."""
    if signed_in(request.session):
        return redirect(own_page(to))
    return _page(request, look, own_page(to))


@router.post("/sign-in")
async def sign_in(request: Request, look: Pages) -> Response:
    """By name and password."""
    form, words = await read_form(request), look.words(request)
    to, name = own_page(form.get("to")), form.get("name", "").strip()[:LONGEST]
    passwords: Passwords | Provides = request.app.state.sign_in
    if not isinstance(passwords, Passwords):
        return redirect("/sign-in", to=to)
    throttle: Throttle = request.app.state.throttle
    who = (name.casefold(), source_of(request.client.host if request.client else ""))
    if wait := throttle.wait(who):
        return _page(request, look, to, words.gettext("Too many tries. Wait %d seconds.") % wait, name, 429)
    try:
        check_csrf(request, form)
        throttle.failed(who)
        try:
            claim = await passwords.check(name, form.get("password", ""))
        except BwvisuError:
            throttle.forgiven(who)
            raise
        if claim is None:
            return _page(request, look, to, words.gettext("Name or password are wrong."), name, 403)
        throttle.succeeded(who)
        return await _enter(request, claim, to)
    except BwvisuError as error:
        return _refused(request, look, to, error, name)


@router.post("/sign-in/oidc")
async def leave_for_provider(request: Request, look: Pages) -> Response:
    """Send the browser to the provider's own sign-in page.

    By a page that goes on by itself: browsers would hold a redirect of this form to our policy for forms, which cannot
    know where the provider leads on to.
    """
    form = await read_form(request)
    to = own_page(form.get("to"))
    provider: Passwords | Provides = request.app.state.sign_in
    if not isinstance(provider, Provides):
        return redirect("/sign-in", to=to)
    try:
        check_csrf(request, form)
        target = await provider.begin(request)
    except BwvisuError as error:
        return _refused(request, look, to, error)
    request.session[WAY_BACK] = to
    return look.page(request, "leaving.html", here=_with_way(to), target=target, provider=_provider(request))


@router.get("/sign-in/callback")
async def come_back(request: Request, look: Pages) -> Response:
    """The provider has sent the browser back."""
    to = own_page(request.session.pop(WAY_BACK, "/"))
    provider: Passwords | Provides = request.app.state.sign_in
    if not isinstance(provider, Provides):
        return redirect("/sign-in")
    try:
        return await _enter(request, await provider.end(request), to)
    except NotSignedIn as error:
        if signed_in(request.session):  # back and forth in the browser's history
            return redirect(to)
        return _refused(request, look, to, error)
    except BwvisuError as error:
        return _refused(request, look, to, error)


async def _enter(request: Request, claim: Claim, to: str) -> Response:
    settings: PortalSettings = request.app.state.settings
    enter(request.session, await admit(claim, settings.users, settings.admin_groups, request.app.state.api))
    return redirect(to)


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Forget who is here."""
    if signed_in(request.session) is None:
        return redirect("/sign-in")
    check_csrf(request, await read_form(request))
    leave(request.session)
    return redirect("/sign-in")


@router.post("/look")
async def change_look(request: Request) -> Response:
    """Language and theme, kept in the session."""
    form = await read_form(request)
    check_csrf(request, form)
    choose_look(request, form)
    return redirect(own_page(form.get("back")))


def _refused(request: Request, look: Look, to: str, error: BwvisuError, name: str = "") -> Response:
    """The sign-in page again, with why it did not work."""
    match error:
        case NotAdmitted():
            status = 403
        case TryAgain():
            status = 503
        case OperatorError():
            status = 502
            log.error("a sign-in failed", error=str(error))
        case _:
            status = 400
    answer = _page(request, look, to, _words(request, look, error), name, status)
    if isinstance(error, TryAgain):
        answer.headers["Retry-After"] = str(error.after)
    return answer


def _words(request: Request, look: Look, error: BwvisuError) -> str:
    words = look.words(request)
    if isinstance(error, Stale):
        return words.gettext("This page was too old. Please try again.")
    if isinstance(error, OperatorError):
        return words.gettext("Nobody can sign in at the moment. Please tell your administrators: %s") % error
    if isinstance(error, Refused):
        return words.gettext(error.text) % error.values
    return words.gettext(str(error))


def _provider(request: Request) -> str:
    settings: PortalSettings = request.app.state.settings
    return settings.auth.title if settings.auth.kind == "oidc" else ""


def _with_way(to: str) -> str:
    """The sign-in page, from which it goes on to where somebody wanted to go."""
    return f"/sign-in?{urlencode({'to': to})}"


def _page(request: Request, look: Look, to: str, problem: str = "", name: str = "", status: int = 200) -> Response:
    settings: PortalSettings = request.app.state.settings
    return look.page(
        request,
        "sign_in.html",
        status,
        here=_with_way(to),
        to=to,
        problem=problem,
        name=name,
        kind=settings.auth.kind,
        provider=_provider(request),
        kept="draft" in request.session,
    )
