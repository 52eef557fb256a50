"""Into a session: one's own, or one that somebody shares by name or by a link.

Where sessions are bound to addresses, the visitor's is admitted before the browser knocks.  The gateway's rules follow
at once; a browser that is faster gets no answer to its first packet, and the second one, a second later, passes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import Response

from bwvisu.errors import Conflict, InvalidInput, NotFound, UserError
from bwvisu.portal.api import Api
from bwvisu.portal.documents import Access, Service
from bwvisu.portal.look import Look
from bwvisu.portal.pages.sessions import titles
from bwvisu.portal.places import own_page
from bwvisu.portal.sayings import said
from bwvisu.portal.sharing import SharedJob
from bwvisu.portal.texts import _
from bwvisu.portal.web import Pages, Posted, PostedForm, TheApi, redirect, tell, visitor_of
from bwvisu.rest import Json
from bwvisu.settings import PortalSettings

router = APIRouter()
REFUSED_HERE = frozenset({"address-family", "too-many", "invalid-input"})
"""What another address, or one entry fewer, would change."""
REVOKED = {"shares": _("It is shared so no more."), "admissions": _("The address is not admitted any more.")}
"""What is told where one is gone."""


@dataclass(frozen=True, slots=True)
class Door:
    """What is entered, as its page shows it."""

    title: str
    user: str
    """Who the application takes the visitor for."""
    action: str
    """Where it is asked for once more."""
    services: Sequence[Service] = ()
    token: str = ""
    """Of a link."""


@router.post("/sessions/{job_id}/connect")
async def connect(request: Request, api: TheApi, look: Pages, form: PostedForm, job_id: str) -> Response:
    """Open the application signed in: a page of ours that posts its form, or shows what to type.

    Asked by POST, so that no foreign page can have secrets given out; and no secret is in any address.
    """
    job, applications = await api.job(job_id), await titles(api)
    known = applications.get(job.application)
    title = known.title if known else job.application
    return await _enter(request, api, look, form, job_id, Door(title, job.user, request.url.path, job.services))


@router.post("/shared/{job_id}/connect")
async def connect_shared(request: Request, api: TheApi, look: Pages, form: PostedForm, job_id: str) -> Response:
    """The same for what somebody shares with this person by name."""
    shared = next((each for each in await api.shared() if each.id == job_id), None)
    if shared is None:
        raise NotFound("This session is not shared with you any more.")
    return await _enter(request, api, look, form, job_id, await _door(api, shared, request.url.path))


@router.get("/shared")
async def show_field(request: Request, api: TheApi, look: Pages) -> Response:  # noqa: ARG001 who is not signed in is sent to do so
    """Where a link leads: a script of ours fills in what stands behind its #, which no server saw; they post it."""
    return look.page(request, "shared.html", problem="", code="")


@router.post("/shared/open")
async def open_link(request: Request, api: TheApi, look: Pages, form: PostedForm) -> Response:
    """Enter by a link, or by its code."""
    token, place = form.get("token", "").strip().rpartition("#")[2], _place(request, form)
    try:
        opened = await api.redeem(token, place)
    except (NotFound, Conflict, InvalidInput) as error:
        if error.slug in REFUSED_HERE and token:
            door = Door(look.words(request).gettext("A shared session"), "", "/shared/open", token=token)
            return _ask_for_address(request, look, door, place, str(error))
        words = said(str(error), look.words(request).gettext)
        missing = isinstance(error, NotFound)
        return look.page(request, "shared.html", 404 if missing else 409, problem=words, code="" if missing else token)
    door = await _door(api, opened.job, "/shared/open", token)
    return _hand_over(request, look, door, opened.access)


@router.post("/sessions/{job_id}/shares")
async def share(request: Request, api: TheApi, look: Pages, form: PostedForm, job_id: str) -> Response:
    """Let somebody in: the person that is named, or with ``do=link`` whoever has the link that is made."""
    words, person = look.words(request), form.get("user", "").strip()
    by_link = form.get("do") == "link"
    if not (by_link or person):
        tell(request, words.gettext("Whom? Type a user name, or make a link."), "bad")
        return _back(job_id)
    wanted: Json = {"user": None if by_link else person, "view_only": "view_only" in form}
    try:
        made = await api.share(job_id, wanted)
    except UserError as error:
        tell(request, said(str(error), words.gettext), "bad")
        return _back(job_id)
    if made.token is None:
        tell(request, words.gettext("%s may enter it now.") % person)
        return _back(job_id)
    settings: PortalSettings = request.app.state.settings
    home = (settings.public_url or str(request.base_url)).rstrip("/")
    return look.page(request, "shared_link.html", link=f"{home}/shared#{made.token}", share=made, job_id=job_id)


@router.post("/sessions/{job_id}/admissions")
async def admit(request: Request, api: TheApi, look: Pages, form: PostedForm, job_id: str) -> Response:
    """Let connections from an address pass."""
    words = look.words(request)
    try:
        await api.admit(job_id, form.get("address", "").strip())
        tell(request, words.gettext("The address is admitted."))
    except UserError as error:
        tell(request, said(str(error), words.gettext), "bad")
    return _back(job_id)


@router.post("/sessions/{job_id}/{entries}/{entry_id}/revoke")
async def revoke(
    request: Request,
    api: TheApi,
    look: Pages,
    form: PostedForm,  # noqa: ARG001 its token is checked
    job_id: str,
    entries: Literal["admissions", "shares"],
    entry_id: str,
) -> Response:
    """Let them in no more, or no more connections from there pass."""
    await api.revoke(job_id, entries, entry_id)
    tell(request, look.words(request).gettext(REVOKED[entries]))
    return _back(job_id)


async def _enter(request: Request, api: Api, look: Look, form: Posted, job_id: str, door: Door) -> Response:
    """Admit the visitor where that is needed, and open; another address is asked for where this one is no use."""
    place = _place(request, form)
    try:
        access = await api.access(job_id, place)
        if access.admission == "other-family" or (access.admission == "needed" and place is None):
            return _ask_for_address(request, look, door, place, "")
        if access.admission != "open" and place is not None:
            await _admit(api, job_id, place, access)
    except UserError as error:
        if error.slug not in REFUSED_HERE:
            raise
        return _ask_for_address(request, look, door, place, str(error))
    return _hand_over(request, look, door, access)


async def _admit(api: Api, job_id: str, place: str, access: Access) -> None:
    """Again where it is admitted already, so that it is for longer; where there is no room for that, it comes in."""
    try:
        await api.admit(job_id, place)
    except Conflict as error:
        if error.slug != "too-many" or access.admission != "admitted":
            raise


def _place(request: Request, form: Posted) -> str | None:
    """The address to come from: as it was typed, else the visitor's own."""
    typed, own = form.get("address", "").strip(), visitor_of(request)
    return typed or (str(own) if own else None)


def _ask_for_address(request: Request, look: Look, door: Door, place: str | None, why: str) -> Response:
    words = said(why, look.words(request).gettext) if why else ""
    return look.page(request, "address.html", 409, door=door, place=place or "", problem=words)


def _hand_over(request: Request, look: Look, door: Door, access: Access) -> Response:
    forms = [form_origin(access.form.action)] if access.form else []
    return look.page(request, "connect.html", forms=forms, door=door, access=access)


def form_origin(address: str) -> str:
    """As a policy names it: no host there can be an IPv6 literal (CSP 3, host-source), and Chromium ignores one."""
    parts = urlsplit(address)
    return f"{parts.scheme}:" if ":" in (parts.hostname or "") else f"{parts.scheme}://{parts.netloc}"


async def _door(api: Api, shared: SharedJob, action: str, token: str = "") -> Door:
    known = (await titles(api)).get(shared.application)
    return Door(known.title if known else shared.application, shared.user, action, token=token)


def _back(job_id: str) -> Response:
    return redirect(own_page(f"/sessions/{job_id}") + "#sharing")
