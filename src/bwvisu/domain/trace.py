"""The way of a job from its request to its first page, as those who collect traces see it."""

from dataclasses import dataclass
from datetime import datetime

from bwvisu.domain.job import JobId


@dataclass(frozen=True, slots=True)
class Span:
    """One state of a job."""

    name: str
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Trace:
    """From the request for a job to its first page, or to its end where it came to none."""

    id: str
    """32 hexadecimal digits: the request's."""
    job: JobId
    cluster: str
    application: str
    spans: tuple[Span, ...]
    """In order, without gaps; never empty."""
    failure: str = ""
    """Code of the reason, or the outcome, of a job that came to none."""
