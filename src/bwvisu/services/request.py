"""What a client asks for when it asks for a job."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from bwvisu.domain.job import Notice, OriginalRequest, Scalar


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job as it was asked for; nothing is checked yet."""

    user: str
    application: str
    cluster: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    idle_stop_minutes: int | None = None
    """None: as the application says; 0: never."""
    notify: tuple[Notice, ...] = ()
    """Kept with the job, and part of nobody's idempotency key: another wish makes no other job."""
    original: OriginalRequest | None = None
    """Kept with the job, and part of nobody's idempotency key: the original's API has none."""

    @property
    def digest(self) -> str:
        """SHA-256 of its values as they were sent: the order of keys and white space make no difference."""
        return _digest(self.user, self.application, self.cluster, self.parameters, *_said(self.idle_stop_minutes))


def meaning(
    user: str, application: str, cluster: str, parameters: Mapping[str, Scalar], idle_stop_minutes: int | None = None
) -> str:
    """SHA-256 of a request as it was understood: defaults are filled in, and 30.0 is 30."""
    plain = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in parameters.items()
    }
    return _digest(user, application, cluster, plain, *_said(idle_stop_minutes))


def _said(idle_stop_minutes: int | None) -> tuple[int, ...]:
    """Nothing where nothing was said: as versions that did not know it had it."""
    return () if idle_stop_minutes is None else (idle_stop_minutes,)


def _digest(*values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
