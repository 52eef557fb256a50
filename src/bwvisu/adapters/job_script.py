"""The batch script of one attempt of a job: its application's template, its values, and the keyhole's client.  Pure.

Who submits it and who shows it render it here, so that they cannot differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bwvisu.adapters import batch_script
from bwvisu.adapters.bundles import Source
from bwvisu.domain.access import access_password, view_password
from bwvisu.domain.job import JobSpec
from keyhole.auth import attempt_key
from keyhole.embedding import ClientConfig, prologue


@dataclass(frozen=True, slots=True)
class KeyholeAddress:
    """How a cluster's compute nodes reach the keyhole."""

    urls: Sequence[str]
    """Base URLs, tried in turn."""
    ca_pem: str | None = None
    """Certificates to trust instead of the node's own."""


def job_script(source: Source, spec: JobSpec, attempt: int, secret: bytes, keyhole: KeyholeAddress) -> str:
    """The script; ``secret`` is the job's, from which its password and the attempt's key are derived.

    Raises `OperatorError` or `UserError` where it cannot be rendered.
    """

    access = batch_script.Access(access_password(secret), view_password(secret))

    def ask_for_ports(ports: int) -> str:
        if not ports and not keyhole.urls:
            return ""  # nobody could be told how it ends
        key = attempt_key(secret, attempt)
        return prologue(
            ClientConfig(
                spec.id,
                attempt,
                key,
                tuple(keyhole.urls),
                ports,
                keyhole.ca_pem,
                start_timeout=spec.start_timeout,
                secrets=(access.password, access.view_password),
            )
        )

    return batch_script.render(
        source.template,
        spec.parameters,
        batch_script.JobFacts(spec.id, spec.user, spec.application, spec.cluster),
        access,
        ask_for_ports,
    )
