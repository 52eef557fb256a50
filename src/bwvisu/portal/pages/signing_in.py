"""Sign-in by name and password, sign-out, and what a session keeps of the looks."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from bwvisu.portal.look import LANGUAGES, THEMES
from bwvisu.portal.session import enter, leave, signed_in
from bwvisu.portal.signin import NotAdmitted, Passwords, admit
from bwvisu.portal.throttle import Throttle
from bwvisu.portal.web import Pages, check_csrf, own_page, read_form, redirect
from bwvisu.settings import PortalSettings

router = APIRouter()


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
    check_csrf(request, form)
    to, name = own_page(form.get("to")), form.get("name", "").strip()
    passwords: Passwords | None = request.app.state.passwords
    throttle: Throttle = request.app.state.throttle
    if passwords is None:
        return redirect("/sign-in", to=to)
    who = (name.casefold(), request.client.host if request.client else "")
    if wait := throttle.wait(who):
        return _page(request, look, to, words.gettext("Too many tries. Wait %d seconds.") % wait, name, 429)
    claim = await passwords.check(name, form.get("password", ""))
    if claim is None:
        throttle.failed(who)
        return _page(request, look, to, words.gettext("Name or password are wrong."), name, 403)
    throttle.succeeded(who)
    settings: PortalSettings = request.app.state.settings
    try:
        person = await admit(claim, settings.users, settings.admin_groups, request.app.state.api)
    except NotAdmitted as error:
        return _page(request, look, to, str(error), name, 403)
    enter(request.session, person)
    return redirect(to)


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Forget who is here."""
    check_csrf(request, await read_form(request))
    leave(request.session)
    return redirect("/sign-in")


@router.post("/look")
async def choose_look(request: Request) -> Response:
    """Language and theme, kept in the session."""
    form = await read_form(request)
    check_csrf(request, form)
    if form.get("language") in LANGUAGES:
        request.session["language"] = form["language"]
    if form.get("theme") in THEMES:
        request.session["theme"] = form["theme"]
    return redirect(own_page(form.get("back")))


def _page(request: Request, look: Pages, to: str, problem: str = "", name: str = "", status: int = 200) -> Response:
    settings: PortalSettings = request.app.state.settings
    return look.page(
        request,
        "sign_in.html",
        status,
        to=to,
        problem=problem,
        name=name,
        kind=settings.auth.kind,
        provider=getattr(settings.auth, "title", ""),
        kept="draft" in request.session,
    )
