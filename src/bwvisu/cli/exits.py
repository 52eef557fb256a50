"""The exit codes of every command: one table, from which the help and the documentation are drawn."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from bwvisu.errors import BwvisuError, OperatorError, TryAgain, UserError


class Exit(IntEnum):
    """What a script can tell apart.  Numbers never change."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    TRY_AGAIN = 3
    OPERATOR = 4
    NOT_REACHED = 5
    NOT_SIGNED_IN = 6
    DEFECT = 70
    """EX_SOFTWARE of sysexits.h."""
    INTERRUPTED = 130
    """As a shell has it: 128 and SIGINT."""
    UNREAD = 141
    """As a shell has it: 128 and SIGPIPE."""


MEANINGS: Mapping[Exit, str] = MappingProxyType(
    {
        Exit.DONE: "done",
        Exit.REFUSED: "refused: the request, or what it names, must change",
        Exit.USAGE: "the command line itself is wrong",
        Exit.TRY_AGAIN: "try again later: something does not answer, or has no time",
        Exit.OPERATOR: "an administrator must act: a setting, a right, a certificate, a record",
        Exit.NOT_REACHED: "the job ended before it got where it was awaited, or ended badly",
        Exit.NOT_SIGNED_IN: "no token, or one that the API does not know",
        Exit.DEFECT: "a defect of bwVisu; the traceback is on stderr",
        Exit.INTERRUPTED: "interrupted by Ctrl-C; jobs go on",
        Exit.UNREAD: "whoever read the output has gone",
    }
)


class NotSignedIn(UserError):
    """There is no token, or the API does not know it."""

    slug = "not-authenticated"


_CODES: tuple[tuple[type[BwvisuError], Exit], ...] = (
    (NotSignedIn, Exit.NOT_SIGNED_IN),
    (UserError, Exit.REFUSED),
    (TryAgain, Exit.TRY_AGAIN),
    (OperatorError, Exit.OPERATOR),
)


def exit_code(error: BwvisuError) -> Exit:
    """Who must act, as a number."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.TRY_AGAIN)


def epilog() -> str:
    """All of them, for the end of a help page."""
    return "Exit codes: " + "; ".join(f"{code.value} {meaning}" for code, meaning in MEANINGS.items()) + "."
