"""The batch script that an application would become, with secrets that open nothing."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

from bwvisu.adapters import batch_script
from bwvisu.adapters.bundles import Bundle
from bwvisu.adapters.job_script import KeyholeAddress, job_script
from bwvisu.domain.access import access_password, view_password
from bwvisu.domain.job import JobSpec, Scalar

ID = "01jd00000000000000000000aa"
SECRET = hashlib.sha256(b"everybody knows this one").digest()
KEYHOLE = KeyholeAddress(("https://middleware.example.org:4243",))


def preview(bundle: Bundle, values: Mapping[str, Scalar], *, user: str, cluster: str, brief: bool) -> str:
    """What Slurm would be given of a first attempt; ``brief``: without the keyhole's client.

    Raises InvalidInput, OperatorError.
    """
    if brief:
        facts = batch_script.JobFacts(ID, user, bundle.name, cluster)
        access = batch_script.Access(access_password(SECRET), view_password(SECRET))
        return batch_script.render(bundle.source.template, values, facts, access, _in_a_line)
    spec = JobSpec(
        id=ID,
        user=user,
        application=bundle.name,
        cluster=cluster,
        parameters=values,
        bundle=bundle.digest,
        start_timeout=bundle.application.start_timeout,
        created_at=datetime.now(UTC),
    )
    return job_script(bundle.source, spec, 1, SECRET, KEYHOLE)


def _in_a_line(ports: int) -> str:
    if not ports:
        return "# Here stands the keyhole's client: it runs what follows and reports how it ends."
    return (
        f"# Here stands the keyhole's client: it asks for {ports} port(s) and runs what follows with KEYHOLE_PORT<I>."
    )
