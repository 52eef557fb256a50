"""Accounts, as the command node's name service knows them."""

import re

from bwvisu.adapters.shell import posix_script
from bwvisu.adapters.ssh import Command, Completed, Outcome
from bwvisu.domain.observation import Account, CouldNotLook, NoSuchUser, UserResult

SCRIPT = """\
LC_ALL=C; export LC_ALL
echo; echo 'bwvisu-account'
getent passwd -- "$1"
echo "bwvisu-passwd rc=$?"
id -Gn -- "$1"
echo 'bwvisu-groups'
"""
_ANSWER = re.compile(r"\nbwvisu-account\n(.*\n)?bwvisu-passwd rc=(\d+)\n(.*\n)?bwvisu-groups\n\Z")
_ID = re.compile(r"[0-9]{1,10}")
_NOT_FOUND = "2"
"""getent(1): one or more keys could not be found, or a service that knows them could not be asked."""


def command(name: str, timeout: float) -> Command:
    """Look ``name`` up."""
    return Command(posix_script(SCRIPT, name), timeout)


def parse(outcome: Outcome, name: str, at: float, node: str = "") -> UserResult:
    """The account; `NoSuchUser` only where the name service of ``node`` said so.  Never raises."""
    if not isinstance(outcome, Completed):
        return CouldNotLook(outcome.reason, at)
    answer = _ANSWER.search(outcome.stdout.decode(errors="replace"))
    if answer is None:
        return CouldNotLook("the answer is cut off", at)
    entry, status, groups = answer.groups(default="")
    if status == _NOT_FOUND:
        return NoSuchUser(name, node)
    if status != "0":
        return CouldNotLook(f"getent ended with {status}", at)
    return _entry(entry.strip(), groups, name, at)


def _entry(entry: str, groups: str, name: str, at: float) -> UserResult:
    cells = entry.split(":")
    if len(cells) != 7 or not (_ID.fullmatch(cells[2]) and _ID.fullmatch(cells[3])):
        return CouldNotLook("getent's entry cannot be read", at)
    if cells[0] != name:  # a number is looked up as a uid
        return NoSuchUser(name)
    if not cells[5].startswith("/"):
        return CouldNotLook("the account's home is not an absolute path", at)
    return Account(name, int(cells[2]), int(cells[3]), cells[5], tuple(groups.split()))
