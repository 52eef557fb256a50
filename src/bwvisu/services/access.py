"""How a person gets into a running job: the one service that gives out a secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import quote

from bwvisu.domain.access import access_password, view_password
from bwvisu.domain.address import place
from bwvisu.domain.application import Application, Form, Link, Native, fill
from bwvisu.domain.job import JobId, Service
from bwvisu.domain.lifecycle import State as JobState
from bwvisu.domain.origin import Address
from bwvisu.domain.principal import Principal
from bwvisu.domain.share import Share
from bwvisu.errors import Conflict, OperatorError
from bwvisu.services.admissions import Standing, standing
from bwvisu.services.bundles import bundle_of
from bwvisu.services.context import Context
from bwvisu.services.guests import enterable
from bwvisu.services.state import Job
from keyhole.proxy_config import ENTER, HTTPS, TOKEN


@dataclass(frozen=True, slots=True)
class PostedForm:
    """The browser posts these fields to this address, whose fragment may hold a secret."""

    action: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Access:
    """What opens a job.  ``native``: a command to type; ``form``: what the browser is to post."""

    url: str = field(repr=False)
    password: str = field(repr=False)
    native: str | None = field(default=None, repr=False)
    form: PostedForm | None = None
    standing: Standing = Standing.OPEN
    """What the asker's address needs."""
    view_only: bool = False
    """The password lets its holder see, and do nothing."""

    def admitted(self) -> Self:
        """The same, once the address was admitted."""
        return replace(self, standing=Standing.ADMITTED)


async def access(context: Context, principal: Principal, job_id: JobId, address: Address | None) -> Access:
    """Address and password of an available job, for its owner and for those it is shared with.

    ``address``: from where it will be entered; None: that is not known.
    Raises NotFound, Conflict (``job-not-available``).
    """
    job, share = await enterable(context, principal, job_id)
    return await access_by(context, job, share, address)


async def access_by(context: Context, job: Job, share: Share | None, address: Address | None) -> Access:
    """The same, for who is let in by ``share``; None: it is theirs.  Raises Conflict (``job-not-available``)."""
    job_id = job.spec.id
    if job.status.state is not JobState.AVAILABLE or not job.status.services:
        raise Conflict(f"the job is {job.status.state}, not available", slug="job-not-available")
    application = (await bundle_of(context, job.spec)).application
    stored = await context.state.store.get(context.state.keys.secret(job_id))
    if stored is None:
        raise OperatorError(f"the secret of job {job_id} is not in the store")
    secret = context.vault.open(job_id, stored.value)
    view_only = share is not None and share.view_only
    password = view_password(secret) if view_only else access_password(secret)
    ends = share.expires_at.timestamp() if share is not None else None
    opened = _through_proxy(context, application, job, hand_over(application, job, password), ends)
    return replace(opened, standing=await standing(context, job, address), view_only=view_only)


def _through_proxy(context: Context, application: Application, job: Job, opened: Access, ends: float | None) -> Access:
    """The same, where a proxy stands before the job; it lets in for the host name of this service alone.

    ``ends``: when what lets the asker in is over, seconds since 1970; None: it is theirs.
    """
    entrance = context.entrances.get(job.spec.cluster)
    if entrance is None:
        return opened
    service = _service(job, application)
    return through_proxy(opened, entrance.token(service.external_host, context.now().timestamp(), ends))


def through_proxy(access: Access, token: str) -> Access:
    """The same behind a gateway's proxy, which lets in whoever posts the token."""
    if access.form is None:
        return replace(access, form=PostedForm(access.url, {ENTER: token}))
    return replace(access, form=replace(access.form, fields={**access.form.fields, TOKEN: token}))


def hand_over(application: Application, job: Job, password: str) -> Access:
    """How the application wants its user to come in; placeholders are filled, for a URL percent-encoded."""
    connect = application.connect
    service = _service(job, application)
    base = _base(service)
    page = base + service_path(job, service)
    values = {
        "host": service.external_host,
        "port": str(service.external_port),
        "password": password,
        "url": page,
        "id": job.spec.id,
        "user": job.spec.user,
    }
    match connect:
        case Link(fragment=fragment) if fragment:
            quoted = {name: quote(value, safe="") for name, value in values.items()}
            return Access(f"{page}#{fill(fragment, quoted)}", password)
        case Form(action=action, fields=fields):
            filled = {name: fill(text, values) for name, text in fields.items()}
            return Access(page, password, form=PostedForm(base + action, filled))
        case Native(command=command):
            return Access(page, password, native=fill(command, values))
        case _:
            return Access(page, password)


def service_path(job: Job, service: Service) -> str:
    """Where the service's page begins."""
    return next((declared.path for declared in job.spec.services if declared.name == service.name), "")


def _service(job: Job, application: Application) -> Service:
    services, port = job.status.services, application.connect.port if application.connect else ""
    return next((service for service in services if service.name == port), services[0])


def _base(service: Service) -> str:
    if service.protocol == "https" and service.external_port == HTTPS:
        return f"https://{service.external_host}"
    return f"{service.protocol}://{place(service.external_host, service.external_port)}"
