"""Names that a process without memory recognises as its own: ids of jobs, names of Slurm jobs."""

import re
from functools import lru_cache
from typing import NamedTuple, Self

ULID = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}")
"""A job id: a ULID in lower case (Crockford's base 32)."""
INSTALLATION = re.compile(r"[a-z0-9]{6,12}")
"""Drawn once per installation; stored in the store's ``installation`` record."""


class SlurmJobName(NamedTuple):
    """``<prefix>-<installation>-<job id>-<attempt>``: unique per attempt over all installations and time."""

    prefix: str
    installation: str
    job_id: str
    attempt: int

    def __str__(self) -> str:
        return f"{self.prefix}-{self.installation}-{self.job_id}-{self.attempt}"

    @classmethod
    @lru_cache(maxsize=50_000)  # the same names come with every look
    def parse(cls, text: str) -> Self | None:
        """Read a name of ours; None for anything else.  A user may give any job such a name: check its owner."""
        match = _NAME.fullmatch(text)
        return cls(match["prefix"], match["installation"], match["id"], int(match["attempt"])) if match else None


_NAME = re.compile(
    rf"(?P<prefix>[a-z][a-z0-9]{{0,7}})-(?P<installation>{INSTALLATION.pattern})"
    rf"-(?P<id>{ULID.pattern})-(?P<attempt>[1-9][0-9]{{0,5}})"
)
