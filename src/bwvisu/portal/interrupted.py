"""Somebody did something when their session was over: nothing is done, and nothing is lost.

A page that was asked for is found again after the sign-in, and so is a form that was filled in: in the session's
cookie, or, where that is too small, in the answer itself, from which it is sent again once somebody has signed in in
another window.  What else was sent, such as *stop*, is not done later without being asked for again.
"""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from bwvisu.errors import BwvisuError
from bwvisu.portal.look import Look
from bwvisu.portal.places import here, own_page, page_on_which
from bwvisu.portal.session import keep_draft
from bwvisu.portal.web import SignInNeeded, filled_in, read_form, redirect, tell

OWN = frozenset({"csrf", "key"})
"""Fields that are a page's own, and of no use on another one."""


async def to_sign_in(request: Request, _: SignInNeeded) -> Response:
    """The answer to whoever is not signed in."""
    if request.headers.get("accept") == "text/event-stream":
        return PlainTextResponse("signed out\n", 401)
    where = request.url.path
    if request.method != "POST":
        return redirect("/sign-in", to=here(request.method, where, request.url.query))
    try:
        form = await read_form(request)
    except BwvisuError:
        form = {}
    look: Look = request.app.state.look
    if not filled_in(form):
        words = look.words(request)
        tell(request, words.gettext("Nothing was done: your session was over. Sign in, and do it again."), "bad")
        return redirect("/sign-in", to=own_page(form.get("back") or page_on_which(where)))
    kept = {key: value for key, value in form.items() if key not in OWN}
    if keep_draft(request.session, request.app.state.sealer, where, kept):
        return redirect("/sign-in", to=where)
    return look.page(request, "kept.html", 403, fields=kept, action=where)
