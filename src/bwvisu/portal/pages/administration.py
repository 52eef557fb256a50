"""For administrators: clusters and what we know of them, gateways, everybody's sessions."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from bwvisu.portal.pages.sessions import cards, titles
from bwvisu.portal.texts import _
from bwvisu.portal.web import AdminApi, Pages, PostedForm, own_page, redirect, tell

router = APIRouter(prefix="/admin")


@router.get("")
async def overview(request: Request, api: AdminApi, look: Pages) -> Response:
    """Clusters, command nodes, gateways, bundles that somebody must mend."""
    clusters, catalogue = await api.clusters(), await api.applications()
    return look.page(request, "admin.html", clusters=clusters, broken=catalogue.broken)


@router.get("/sessions")
async def everybody(
    request: Request, api: AdminApi, look: Pages, user: str = "", state: str = "", cluster: str = "", cursor: str = ""
) -> Response:
    """All sessions, or those that are searched for."""
    asked = {"user": user.strip(), "state": state, "cluster": cluster, "cursor": cursor}
    page = await api.jobs({key: value for key, value in asked.items() if value})
    return look.page(
        request,
        "admin_sessions.html",
        cards=cards(page.items, await titles(api)),
        asked=asked,
        next_cursor=page.next_cursor,
        clusters=await api.clusters(),
    )


@router.post("/gateways/{cluster}/{gateway}")
async def drain(request: Request, api: AdminApi, look: Pages, form: PostedForm, cluster: str, gateway: str) -> Response:
    """Drain a gateway, or put it to use again."""
    drained = form.get("do") == "drain"
    await api.drain(cluster, gateway, drained=drained)
    words = _("The gateway takes no new connections.") if drained else _("The gateway is in use.")
    tell(request, look.words(request).gettext(words))
    return redirect("/admin")


@router.post("/sessions/{job_id}/stop")
async def stop(request: Request, api: AdminApi, look: Pages, form: PostedForm, job_id: str) -> Response:
    """Stop anybody's session."""
    await api.stop(job_id)
    tell(request, look.words(request).gettext("The session is being stopped."))
    return redirect(own_page(form.get("back")))
