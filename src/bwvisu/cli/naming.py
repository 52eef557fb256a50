"""Which job a person means: ids are long, their ends are short."""

import re

from bwvisu.cli.display import SHORT_ID
from bwvisu.cli.rest import Rest
from bwvisu.domain.naming import ULID
from bwvisu.errors import NotFound, UserError

_PART = re.compile(r"[0-9a-hjkmnp-tv-z]{3,25}", re.ASCII)
"""Of a ULID; less would soon mean another job."""
SHOWN = 5
"""Candidates that are named."""


def find(rest: Rest, text: str) -> str:
    """The whole id that ``text`` is the end or the beginning of.  Raises NotFound; UserError where several are."""
    text = text.strip().lower()
    if re.fullmatch(ULID.pattern, text, re.ASCII):
        return text
    if not _PART.fullmatch(text):
        raise NotFound("there is no such job", slug="job-not-found")
    found = [str(job["id"]) for job in rest.pages("/jobs", {"limit": 500}) if _is_part(text, str(job["id"]))]
    if not found:
        raise NotFound("there is no such job", slug="job-not-found")
    if len(found) > 1:
        more = " ..." if len(found) > SHOWN else ""
        raise UserError(f"{text} may be any of {', '.join(found[:SHOWN])}{more}", slug="ambiguous-id")
    return found[0]


def short(job_id: str) -> str:
    """As lists show it."""
    return job_id[-SHORT_ID:]


def _is_part(text: str, job_id: str) -> bool:
    return job_id.endswith(text) or job_id.startswith(text)
