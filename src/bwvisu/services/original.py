"""The original's way of speaking, on top of our own services: templates are applications, ids and jobs are the same.

Which jobs there are does not depend on who began them: the original's clients see, and may end, those of ours too.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bwvisu.adapters.bundles import Bundle
from bwvisu.domain.application import Original, did_you_mean
from bwvisu.domain.job import JobId, OriginalRequest
from bwvisu.domain.lifecycle import State as JobState
from bwvisu.domain.original import TEMPLATE_NAME, as_variable, read_variables
from bwvisu.domain.principal import Principal
from bwvisu.errors import Fault, InvalidInput, NotFound, OperatorError
from bwvisu.services.cancel import cancel
from bwvisu.services.context import Context, visible
from bwvisu.services.request import JobRequest
from bwvisu.services.state import Job
from bwvisu.services.submit import submit


async def start(
    context: Context, principal: Principal, user: str, template_name: str, variables: Mapping[str, str]
) -> Job:
    """Accept the job that a template and its variables mean, on the first cluster that lets its users in.

    Raises InvalidInput, Forbidden, TryAgain; OperatorError where two applications claim the template.
    """
    bundle, original = _application(context, template_name)
    request = JobRequest(
        user=user,
        application=bundle.name,
        parameters=read_variables(bundle.application, original, variables),
        original=OriginalRequest(template_name=template_name, variables=variables),
    )
    with _in_its_words(original):
        return (await submit(context, request, principal)).job


def running(context: Context, principal: Principal) -> list[JobId]:
    """Ids of all jobs that are not over, whether Slurm has started them or not; oldest first."""
    ids = context.state.index.candidates(user=principal.user, live=True).before(None)
    return [job_id for job_id in ids if (job := context.state.job(job_id)) and _lives(job)][::-1]


async def show(context: Context, principal: Principal, job_id: JobId) -> Job:
    """The job; raises NotFound with the original's words."""
    try:
        return await visible(context, principal, job_id)
    except NotFound as error:
        raise NotFound("no such job", slug=error.slug) from error


async def end(context: Context, principal: Principal, job_id: JobId) -> None:
    """Have a job stopped; raises NotFound for one that is over, with the original's words."""
    gone = NotFound("no such running job", slug="job-not-found")
    try:
        job = await visible(context, principal, job_id)
        if not _lives(job):
            raise gone
        await cancel(context, principal, job_id)
    except NotFound as error:
        raise gone from error


def _application(context: Context, template_name: str) -> tuple[Bundle, Original]:
    if not TEMPLATE_NAME.fullmatch(template_name):
        raise InvalidInput([Fault("/template-name", r"a template's name holds no / or \ and no line end")])
    known = [(each, each.application.original) for each in context.catalogue.all()]
    found = [(each, original) for each, original in known if original and original.template_name == template_name]
    if len(found) > 1:
        names = ", ".join(each.name for each, _ in found)
        raise OperatorError(f"the original's template {template_name!r} is claimed by several applications: {names}")
    if not found:
        hint = did_you_mean(template_name, [original.template_name for _, original in known if original])
        raise InvalidInput([Fault("/template-name", f"there is no such template{hint}")], slug="unknown-application")
    return found[0]


@contextmanager
def _in_its_words(original: Original) -> Iterator[None]:
    """Faults of our own request, told of the members that the client sent."""
    try:
        yield
    except InvalidInput as error:
        members = {"/user": "/uid", "/application": "/template-name", "/cluster": "/template-name"}
        faults = [as_variable(fault, original) for fault in error.faults]
        told = [Fault(members.get(fault.pointer, fault.pointer), fault.detail) for fault in faults]
        raise InvalidInput(told, slug=error.slug) from error


def _lives(job: Job) -> bool:
    return job.status.state is not JobState.FINISHED
