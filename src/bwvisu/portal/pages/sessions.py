"""My sessions: what runs, what waits, what has ended, and everything that can be done about it."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from bwvisu.errors import BwvisuError, TryAgain, UserError
from bwvisu.portal import form as forms
from bwvisu.portal import guests
from bwvisu.portal.api import Api
from bwvisu.portal.cards import Card, card, run_time
from bwvisu.portal.documents import Application, Cluster, Job
from bwvisu.portal.places import own_page
from bwvisu.portal.sayings import said
from bwvisu.portal.texts import _
from bwvisu.portal.web import Pages, PostedForm, TheApi, family_of, redirect, tell, visitor_of
from bwvisu.rest.answers import NotAsRead

router = APIRouter()
_UNCHANGEABLE = "The run time of this session cannot be changed."


async def titles(api: Api) -> dict[str, Application]:
    """The catalogue by name; empty where it cannot be read now: cards then show the plain names."""
    try:
        catalogue, clusters = await asyncio.gather(api.applications(), _clusters(api))
        return {each.name: each.on(clusters) for each in catalogue.items}
    except TryAgain:
        return {}


async def _clusters(api: Api) -> tuple[Cluster, ...]:
    """Without them no more time is offered; that they cannot be read keeps nobody from their sessions."""
    try:
        return await api.clusters()
    except BwvisuError:
        return ()


def cards(jobs: Iterable[Job], applications: dict[str, Application], family: int | None = None) -> list[Card]:
    """The newest first; those that have ended after all others.  ``family``: the visitor's IP version."""
    now = datetime.now(UTC)
    ordered = sorted(jobs, key=lambda job: (not job.finished, job.created_at, job.id), reverse=True)
    return [card(job, applications.get(job.application), now, family) for job in ordered]


@router.get("/")
async def sessions(request: Request, api: TheApi, look: Pages) -> Response:
    """The first page."""
    page, applications, shared = await asyncio.gather(api.jobs(), titles(api), guests.shared_with(api))
    return look.page(
        request,
        "sessions.html",
        cards=cards(page.items, applications, family_of(request)),
        more=page.next_cursor is not None,
        shared=[(each, applications.get(each.application)) for each in shared or ()],
        shared_known=shared is not None,
    )


@router.get("/sessions/{job_id}")
async def details(request: Request, api: TheApi, look: Pages, job_id: str) -> Response:
    """One session: its times, its parameters, where it is, the end of its log."""
    job, applications = await api.job(job_id), await titles(api)
    application = applications.get(job.application)
    schema = application.schema_for(job.cluster) if application else {}
    log, let_in = await asyncio.gather(_log_of(api, job_id), guests.let_in(api, job))
    visitor = visitor_of(request)
    shares, admissions = let_in or ((), ())
    return look.page(
        request,
        "details.html",
        card=card(job, application, datetime.now(UTC), family_of(request)),
        log=log,
        values=forms.shown(schema, job.parameters),
        let_in_known=let_in is not None,
        shares=shares,
        admissions=admissions,
        can_share=application is not None and job.cluster in application.shared_on,
        is_bound=application is not None and job.cluster in application.bound,
        view_only=application is not None and application.view_only,
        visitor=str(visitor) if visitor else "",
    )


@router.get("/sessions/{job_id}/log")
async def log(api: TheApi, job_id: str) -> Response:
    """The last lines of its log, as text."""
    return _plain(await api.text(job_id, "log"))


@router.get("/sessions/{job_id}/script")
async def script(api: TheApi, job_id: str) -> Response:
    """Its batch script, as text."""
    return _plain(await api.text(job_id, "script"))


@router.post("/sessions/{job_id}/stop")
async def stop(request: Request, api: TheApi, look: Pages, form: PostedForm, job_id: str) -> Response:
    """Stop it."""
    await api.stop(job_id)
    tell(request, look.words(request).gettext("The session is being stopped."))
    return redirect(own_page(form.get("back")))


async def _with_more(api: Api, job_id: str, more: int) -> Job:
    """So many minutes beside those that it has now: jobs change by themselves between reading and asking."""
    for last in (False, False, True):
        job = await api.job(job_id)
        if (now := run_time(job)) is None:
            break
        try:
            return await api.extend(job_id, now + more, job.revision)
        except NotAsRead:
            if last:
                raise
    raise UserError(_UNCHANGEABLE)


@router.post("/sessions/{job_id}/extend")
async def extend(request: Request, api: TheApi, look: Pages, form: PostedForm, job_id: str) -> Response:
    """So many minutes more."""
    words, more = look.words(request), form.get("minutes", "")
    if run_time(await api.job(job_id)) is None or not more.isdecimal() or len(more) > 6:
        raise UserError(_UNCHANGEABLE)
    try:
        answered = await _with_more(api, job_id, int(more))
    except UserError as error:
        tell(request, said(str(error), words.gettext), "bad")
        return redirect(own_page(form.get("back")))
    done = answered.extension is not None and answered.extension.state == "applied"
    answer = (
        _("The session has more time.") if done else _("More time was asked for; the cluster has not answered yet.")
    )
    tell(request, words.gettext(answer))
    return redirect(own_page(form.get("back")))


@router.post("/sessions/{job_id}/keep")
async def keep(request: Request, api: TheApi, look: Pages, form: PostedForm, job_id: str) -> Response:
    """Keep it though nobody uses it."""
    words = look.words(request)
    try:
        await api.keep_job(job_id)
    except UserError as error:
        tell(request, said(str(error), words.gettext), "bad")
    else:
        tell(request, words.gettext("The session is kept."))
    return redirect(own_page(form.get("back")))


async def _log_of(api: Api, job_id: str) -> str:
    """Empty where it cannot be read now: the rest of the page can."""
    try:
        return await api.text(job_id, "log")
    except TryAgain:
        return ""


def _plain(text: str) -> Response:
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Content-Security-Policy": "sandbox"}
    return PlainTextResponse(text, headers=headers)
