"""The application that a job was accepted with, whatever its folder holds by now."""

from bwvisu.adapters.bundles import Bundle, Source
from bwvisu.domain.job import JobSpec
from bwvisu.errors import OperatorError
from bwvisu.services.context import Context


async def bundle_of(context: Context, spec: JobSpec) -> Bundle:
    """From memory where nothing has changed, else from the store.  Raises OperatorError where it is lost."""
    current = next((bundle for bundle in context.catalogue.all() if bundle.digest == spec.bundle), None)
    if current is not None:
        return current
    entry = await context.state.store.get(context.state.keys.bundle(spec.bundle))
    if entry is None:
        raise OperatorError(f"the bundle of job {spec.id} is not in the store")
    source = Source.parse(entry.value, spec.bundle)
    return Bundle(source, source.application(), spec.bundle)
