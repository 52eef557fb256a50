"""The one place where arguments become shell text.

sshd hands the remote command to the account's login shell as *text*; that shell may be anything that follows POSIX
quoting.  Nothing else in bwVisu may build such text.
"""

import shlex
from collections.abc import Sequence


def quote(argv: Sequence[str]) -> str:
    """Shell text that any POSIX shell reads back as exactly ``argv``.

    Raises ValueError for NUL, which no argument can hold, and for an empty ``argv``.
    """
    if not argv:
        raise ValueError("a command needs at least its own name")
    if any("\0" in argument for argument in argv):
        raise ValueError("an argument holds a NUL byte")
    return shlex.join(argv)


def posix_script(text: str, *args: str) -> tuple[str, ...]:
    """The argv that runs ``text`` under /bin/sh, whatever the login shell is; ``args`` become ``$1``, ``$2``, …."""
    return ("/bin/sh", "-c", text, "sh", *args)
