"""Every error of bwvisu, sorted by who must act.

BwvisuError
├── UserError            the person who asked: the request must change (4xx, a CLI line, a form message)
│   ├── InvalidInput     ... one or more fields are wrong; carries a pointer and a sentence for each
│   ├── NotFound         ... there is no such thing
│   └── Conflict         ... it cannot be done in the thing's present state
├── TryAgain             time: the same request may succeed later (503 with Retry-After, back-off)
└── OperatorError        an administrator: a setting, a right or a record must be mended; trying again is no use
"""

from collections.abc import Sequence
from dataclasses import dataclass


class BwvisuError(Exception):
    """Root of the tree; its text is a sentence for a person and holds no secret."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong field: an RFC 6901 JSON pointer into the input, and what to change."""

    pointer: str
    detail: str


class UserError(BwvisuError):
    """The person who asked must change the request.  ``slug`` names the problem type for ever."""

    slug = "bad-request"
    title = "The request cannot be carried out"

    def __init__(self, detail: str, *, slug: str | None = None) -> None:
        super().__init__(detail)
        self.slug = slug or type(self).slug


class InvalidInput(UserError):
    """One or more fields are wrong."""

    slug = "invalid-input"
    title = "The request has invalid values"

    def __init__(self, faults: Sequence[Fault], *, slug: str | None = None) -> None:
        super().__init__("; ".join(fault.detail for fault in faults), slug=slug)
        self.faults = tuple(faults)


class NotFound(UserError):
    """There is no such thing, or the asker may not know of it."""

    slug = "not-found"
    title = "Not found"


class Conflict(UserError):
    """The present state of the thing forbids it."""

    slug = "conflict"
    title = "Not possible in the present state"


class TryAgain(BwvisuError):
    """Something needed does not answer at the moment; ``after`` seconds is a good time to try again."""

    def __init__(self, detail: str, *, after: int = 5) -> None:
        super().__init__(detail)
        self.after = after


class OperatorError(BwvisuError):
    """An administrator must mend a setting, a right or a record."""
