"""The form's question after how long without activity a session is stopped: one more field among the parameters.  Pure.

In forms, last values and presets it is `NAME`, which no parameter can be called; in requests it stands beside them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bwvisu.errors import Fault
from bwvisu.portal.documents import Application, Job
from bwvisu.portal.form import IDLE_STOP as NAME
from bwvisu.portal.form import PARAMETERS
from bwvisu.portal.sayings import Translate
from bwvisu.portal.texts import _
from bwvisu.rest import Json

IN_REQUESTS = "idle_stop_minutes"


def form_schema(application: Application, cluster: str, translate: Translate = str) -> Mapping[str, Any]:
    """The schema of the parameters there, and of this field where the site lets jobs be stopped so."""
    schema, limits = application.schema_for(cluster), application.idle_stop.get(cluster)
    if limits is None or not application.ports:
        return schema
    usual = application.idle_stop_minutes.get(cluster)
    never = usual is not None and limits.never_allowed
    words = {"usual": usual, "least": limits.minimum_minutes}
    rules = {
        "type": "integer",
        "title": translate(_("Stop when nobody uses it")),
        "description": translate(_help(usual, never=never)) % words,
        "minimum": 0 if never else limits.minimum_minutes,
        "maximum": limits.maximum_minutes,
        "default": None,
        "x-unit": "min",
    }
    return {**schema, "properties": {**schema.get("properties", {}), NAME: rules}}


def in_request(values: Mapping[str, Any]) -> Json:
    """What a form holds as fields of a request."""
    minutes = {IN_REQUESTS: values[NAME]} if NAME in values else {}
    return {"parameters": {name: value for name, value in values.items() if name != NAME}, **minutes}


def in_form(faults: Sequence[Fault]) -> list[Fault]:
    """What the API objected to, with the pointer of this field's fault as those of parameters are."""
    ours = f"/{IN_REQUESTS}"
    return [Fault(PARAMETERS + NAME, each.detail) if each.pointer == ours else each for each in faults]


def of(job: Job, application: Application) -> dict[str, int]:
    """As a job has it; nothing where that is usual on its cluster, or cannot be asked for any more."""
    usual, limits = application.idle_stop_minutes.get(job.cluster), application.idle_stop.get(job.cluster)
    after = job.idle.stop_after_minutes if job.idle else None
    if after == usual or (after is None and not (limits and limits.never_allowed)):
        return {}
    return {NAME: after or 0}


def _help(usual: int | None, *, never: bool) -> str:
    if usual is None:
        return _("After so long without activity. Empty: never.")
    if never:
        return _("After so long without activity, %(least)s at least. 0: never. Empty: after %(usual)s min.")
    return _("After so long without activity. Empty: after %(usual)s min.")
