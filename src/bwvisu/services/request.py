"""What a client asks for when it asks for a job."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from bwvisu.domain.job import OriginalRequest


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job as it was asked for; nothing is checked yet."""

    user: str
    application: str
    cluster: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    original: OriginalRequest | None = None
    """Kept with the job, and part of nobody's idempotency key: the original's API has none."""

    @property
    def digest(self) -> str:
        """SHA-256 of its meaning: the order of keys and the white space of a body make no difference."""
        meaning = [self.user, self.application, self.cluster, self.parameters]
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
