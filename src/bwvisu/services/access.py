"""How a person gets into a running job: the one service that gives out a secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from bwvisu.domain.access import access_password
from bwvisu.domain.address import place
from bwvisu.domain.application import Application, Form, Link, Native, fill
from bwvisu.domain.job import JobId, Service
from bwvisu.domain.lifecycle import State as JobState
from bwvisu.domain.principal import Principal
from bwvisu.errors import Conflict, OperatorError
from bwvisu.services.bundles import bundle_of
from bwvisu.services.context import Context, visible
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


async def access(context: Context, principal: Principal, job_id: JobId) -> Access:
    """Address and password of a job that is available.  Raises NotFound, Conflict (``job-not-available``)."""
    job = await visible(context, principal, job_id)
    if job.status.state is not JobState.AVAILABLE or not job.status.services:
        raise Conflict(f"the job is {job.status.state}, not available", slug="job-not-available")
    application = (await bundle_of(context, job.spec)).application
    secret = await context.state.store.get(context.state.keys.secret(job_id))
    if secret is None:
        raise OperatorError(f"the secret of job {job_id} is not in the store")
    found = hand_over(application, job, access_password(secret.value))
    entrance = context.entrances.get(job.spec.cluster)
    if entrance is None:
        return found
    service = _service(job, application)
    return through_proxy(found, entrance.token(service.external_host, context.now().timestamp()))


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
