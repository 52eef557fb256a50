"""What a person may be told of a session by mail, as a form asks for it.  Pure."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from bwvisu.portal.texts import _

TITLES = {
    "available": _("it is ready"),
    "ending": _("it ends soon"),
    "idle": _("it is stopped soon because nobody uses it"),
    "failed": _("it has ended unexpectedly"),
}
PREFIX = "notify."
"""In front of a notice's name in the posted form."""


class Notice(NamedTuple):
    """One box to tick."""

    name: str
    key: str
    title: str
    chosen: bool


def asked(possible: Collection[str], chosen: Collection[str]) -> list[Notice]:
    """What a form asks; one that this version has no words for is left out."""
    return [Notice(name, PREFIX + name, TITLES[name], name in chosen) for name in possible if name in TITLES]


def ticked(form: Mapping[str, str]) -> list[str]:
    """What was chosen in a posted form."""
    return [name for name in TITLES if form.get(PREFIX + name)]
