"""What can be started, and the form that starts it."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from bwvisu.errors import Fault, InvalidInput, NotFound, TryAgain, UserError
from bwvisu.portal import form as forms
from bwvisu.portal import idle_stop, notices, web
from bwvisu.portal.api import Api
from bwvisu.portal.documents import Application, Job
from bwvisu.portal.memory import Memory
from bwvisu.portal.texts import _
from bwvisu.portal.web import OnePerson, Pages, PostedAgain, TheApi, redirect, tell
from bwvisu.rest import Json

router = APIRouter()
UNKNOWN = _(
    "The service did not answer in time, so it is not known whether the session was started. "
    "Launch again: nothing is started twice."
)
ICON_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""A picture of an application may style itself, and nothing else."""


@dataclass(frozen=True, slots=True)
class NotStarted:
    """Why; ``key``: it may have been taken all the same, and sent again with this key starts no second one."""

    faults: Sequence[Fault]
    key: str = ""


@router.get("/applications")
async def catalogue(request: Request, api: TheApi, look: Pages, q: str = "", category: str = "") -> Response:
    """All applications that run somewhere, or those that are searched for."""
    everything = [each for each in (await api.applications()).items if each.clusters]
    shown = [each for each in everything if _matches(each, q) and category in {"", each.category}]
    categories = sorted({each.category for each in everything if each.category})
    return look.page(request, "catalogue.html", applications=shown, categories=categories, query=q, category=category)


@router.get("/applications/{name}")
async def show_form(
    request: Request,
    api: TheApi,
    person: OnePerson,
    look: Pages,
    name: str,
    cluster: str = "",
    job: str = "",
    preset: str = "",
    more: str = "",
) -> Response:
    """The form: with the values of a job (and twice as much of what it lacked), of a preset, or of the last time."""
    application = await _application(api, name)
    memory, possible = await asyncio.gather(Memory.read(api), api.notices())
    values, notify = memory.last(name), memory.notify()
    if job:
        again = await api.job(job)
        cluster = cluster or again.cluster
        values = forms.more(application.schema_for(cluster), again.parameters, more) | idle_stop.of(again, application)
    elif preset:
        values = memory.presets(name).get(preset, {})
    if draft := _draft(request, name):
        cluster = draft.get("cluster", cluster)
        values = forms.parameters(idle_stop.form_schema(application, cluster), draft)
        notify = notices.ticked(draft)
    mails = notices.asked(possible, notify)
    return _form(request, look, person.clusters, application, cluster, values, memory, mails)


@router.post("/applications/{name}")
async def launch(
    request: Request, api: TheApi, person: OnePerson, look: Pages, form: PostedAgain, name: str
) -> Response:
    """Start it, or keep the values as a preset; faults come back beside their fields."""
    application = await _application(api, name)
    cluster = form.get("cluster") or _clusters(application, person.clusters)[0]
    values = forms.parameters(idle_stop.form_schema(application, cluster), form)
    memory, possible = await asyncio.gather(Memory.read(api), api.notices())
    mails = notices.asked(possible, notices.ticked(form))

    def show(faults: Sequence[Fault], key: str = "") -> Response:
        title = form.get("preset", "")
        return _form(request, look, person.clusters, application, cluster, values, memory, mails, faults, title, key)

    match form.get("do"):
        case web.SHOW_AGAIN | web.CHOOSE_LOOK:
            web.choose_look(request, form)
            return show(())
        case "save-preset":
            title = form.get("preset", "").strip()
            if faults := await memory.save_preset(name, title, values):
                return show(faults)
            tell(request, look.words(request).gettext("The preset was saved."))
            return redirect(f"/applications/{name}", preset=title, cluster=cluster)
        case "drop-preset":
            await memory.drop_preset(name, form.get("preset", ""))
            return redirect(f"/applications/{name}", cluster=cluster)
    body = {"user": person.user, "application": name, "cluster": cluster, **idle_stop.in_request(values)}
    if notify := [each.name for each in mails if each.chosen]:
        body["notify"] = notify
    started = await _start(api, body, form.get("key") or secrets.token_hex(16))
    if isinstance(started, NotStarted):
        return show(started.faults, started.key)
    await memory.remember(name, values, notify if mails else None)
    request.session.pop("draft", None)
    return redirect(f"/#job-{started.id}")


@router.get("/icons/{name}.svg")
async def icon(api: TheApi, name: str) -> Response:
    """An application's picture."""
    headers = {"Cache-Control": "private, max-age=3600", "Content-Security-Policy": ICON_POLICY}
    return Response(await api.icon(name), media_type="image/svg+xml", headers=headers)


def _form(
    request: Request,
    look: Pages,
    accounts: Sequence[str],
    application: Application,
    cluster: str,
    values: Mapping[str, Any],
    memory: Memory,
    mails: Sequence[notices.Notice],
    faults: Sequence[Fault] = (),
    title: str = "",
    key: str = "",
) -> Response:
    """``key``: under which a try that may have been taken was sent; empty: this will be a new one."""
    clusters = _clusters(application, accounts)
    chosen = cluster if cluster in clusters else clusters[0]
    translate = look.words(request).gettext
    schema, told = idle_stop.form_schema(application, chosen, translate), forms.in_words(faults, translate)
    return look.page(
        request,
        "form.html",
        (503 if key else 422) if faults else 200,
        application=application,
        clusters=clusters,
        cluster=chosen,
        fields=forms.fields(schema, values, told),
        faults=forms.general_faults(schema, told),
        presets=memory.presets(application.name),
        notices=mails,
        preset=title,
        key=key or secrets.token_hex(16),
        unknown=bool(key),
    )


async def _application(api: Api, name: str) -> Application:
    """With what the clusters allow."""
    application, clusters = await asyncio.gather(api.application(name), api.clusters())
    return application.on(clusters)


async def _start(api: Api, body: Json, key: str) -> Job | NotStarted:
    try:
        return await api.submit(body, key)
    except TryAgain:
        return NotStarted([Fault("", UNKNOWN)], key)
    except InvalidInput as error:
        return NotStarted(idle_stop.in_form(error.faults))
    except UserError as error:
        return NotStarted([Fault("", str(error))])


def _clusters(application: Application, accounts: Sequence[str]) -> list[str]:
    """Where this person can run it.  Raises NotFound."""
    found = [each for each in application.clusters if each in accounts]
    if not found:
        raise NotFound("You have no account on a cluster that runs this application.")
    return found


def _matches(application: Application, query: str) -> bool:
    text = f"{application.name} {application.title} {application.summary} {application.category}".casefold()
    return all(word in text for word in query.casefold().split())


def _draft(request: Request, name: str) -> dict[str, str] | None:
    """What was sent for this application when nobody was signed in; shown once."""
    draft = request.session.get("draft")
    if not isinstance(draft, dict) or draft.get("path") != f"/applications/{name}":
        return None
    request.session.pop("draft")
    return dict(draft["form"])
