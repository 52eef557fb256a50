"""For administrators: clusters and what we know of them, gateways, everybody's sessions, who asked for what."""

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from bwvisu.domain.naming import ULID
from bwvisu.errors import NotFound
from bwvisu.portal.api import Api
from bwvisu.portal.documents import JobPage
from bwvisu.portal.pages.sessions import cards, titles
from bwvisu.portal.places import own_page
from bwvisu.portal.texts import _
from bwvisu.portal.web import AdminApi, Pages, PostedForm, redirect, tell

router = APIRouter(prefix="/admin")
ACTIONS = {
    "createJob": _("Start a session"),
    "cancelJob": _("Stop a session"),
    "extendJob": _("More time"),
    "keepJob": _("Keep a session"),
    "getJobAccess": _("Connect"),
    "createAdmission": _("Admit an address"),
    "deleteAdmission": _("Revoke an address"),
    "createShare": _("Share a session"),
    "deleteShare": _("Share a session no more"),
    "redeemShare": _("Enter by a link"),
    "putPreferences": _("Keep choices"),
    "drainGateway": _("Drain a gateway"),
    "undrainGateway": _("Put a gateway to use"),
}
"""What can be asked for, in the audit trail's words and in ours."""
DRAINED = {
    "drain": _("The gateway takes no new connections."),
    "move": _("The gateway takes no new connections, and its sessions move to others."),
    "use": _("The gateway is in use."),
}
"""What was ordered of a gateway -> what an administrator is told."""
RESULTS = {"accepted": _("done"), "refused": _("refused"), "failed": _("failed")}


@router.get("")
async def overview(request: Request, api: AdminApi, look: Pages) -> Response:
    """Clusters, command nodes, partitions, gateways, limits and who uses them, bundles that somebody must mend."""
    clusters, catalogue = await asyncio.gather(api.clusters(), api.applications())
    usage = await asyncio.gather(*(api.usage(cluster.name) for cluster in clusters))
    together = zip(clusters, usage, strict=True)
    return look.page(request, "admin.html", clusters=list(together), broken=catalogue.broken)


@router.get("/sessions")
async def everybody(
    request: Request,
    api: AdminApi,
    look: Pages,
    q: str = "",
    application: str = "",
    state: str = "",
    cluster: str = "",
    cursor: str = "",
) -> Response:
    """All sessions, or those that are searched for: by person, session, Slurm's number, application, state, cluster."""
    asked = {"q": q.strip(), "application": application, "state": state, "cluster": cluster, "cursor": cursor}
    page, applications, clusters = await asyncio.gather(_found(api, asked), titles(api), api.clusters())
    return look.page(
        request,
        "admin_sessions.html",
        cards=cards(page.items, applications),
        asked=asked,
        next_cursor=page.next_cursor,
        applications=applications,
        clusters=clusters,
    )


async def _found(api: Api, asked: Mapping[str, str]) -> JobPage:
    """One field for three things that never look alike: a session's id, Slurm's number, a person's name."""
    query = {key: value for key, value in asked.items() if value}
    word = query.pop("q", "")
    if ULID.fullmatch(word.lower()):
        try:
            return JobPage(items=(await api.job(word.lower()),))
        except NotFound:
            return JobPage(items=())
    if word:
        query["slurm_job" if word.isdecimal() else "user"] = word
    return await api.jobs(query)


@router.get("/audit")
async def audit(
    request: Request, api: AdminApi, look: Pages, user: str = "", action: str = "", job: str = ""
) -> Response:
    """Who asked for what lately, and what became of it."""
    asked = {"user": user.strip(), "action": action, "job": job}
    entries = await api.audit({key: value for key, value in asked.items() if value} | {"limit": "200"})
    return look.page(request, "admin_audit.html", entries=entries, asked=asked, actions=ACTIONS, results=RESULTS)


@router.post("/gateways/{cluster}/{gateway}")
async def drain(request: Request, api: AdminApi, look: Pages, form: PostedForm, cluster: str, gateway: str) -> Response:
    """Drain a gateway, have what it carries move as well, or put it to use again."""
    order = form.get("do")
    order = order if order in DRAINED else "use"
    await api.drain(cluster, gateway, drained=order != "use", move=order == "move")
    tell(request, look.words(request).gettext(DRAINED[order]))
    return redirect("/admin")


@router.post("/sessions/{job_id}/stop")
async def stop(request: Request, api: AdminApi, look: Pages, form: PostedForm, job_id: str) -> Response:
    """Stop anybody's session."""
    await api.stop(job_id)
    tell(request, look.words(request).gettext("The session is being stopped."))
    return redirect(own_page(form.get("back")))
