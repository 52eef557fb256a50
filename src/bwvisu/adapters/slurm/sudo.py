"""Acting as a user: sudo's own words for a no.  Nothing has run then."""

import re

from bwvisu.domain.observation import Refused

_UNKNOWN_USER = re.compile(r"^sudo: unknown user:? (.*)$", re.MULTILINE)
_NOT_PERMITTED = re.compile(
    r"^(?:sudo: a password is required|Sorry, user .* is not allowed to execute .*)$", re.MULTILINE
)


def sudo_refusal(stderr: str) -> Refused | None:
    """What sudo 1.9.13 refused; None: it did not.  ``sudo -n`` asks for a password where no rule fits."""
    if unknown := _UNKNOWN_USER.search(stderr):
        return Refused(f"The cluster knows no user {unknown[1]}.", "unknown-user")
    if refused := _NOT_PERMITTED.search(stderr):
        return Refused(f"The cluster does not let bwVisu act for this user ({refused[0]}).", "not-permitted")
    return None
