"""Where on the portal somebody is, and where it may lead back to.  Pure."""

import re

LONGEST_WAY = 1000
"""Characters of an address to go back to: across a sign-in it travels in a cookie."""
PAGES = re.compile(r"(/sessions|/applications)/[^/]+|/admin/sessions|/admin|/sign-in|/shared")


def own_page(where: str | None) -> str:
    """A path of this portal to go back to; anything else is the first page."""
    plain = (
        where is not None
        and len(where) <= LONGEST_WAY
        and where.startswith("/")
        and not where.startswith(("//", "/\\"))
        and where.isprintable()
    )
    return where if plain and where is not None and "\\" not in where else "/"


def page_on_which(path: str) -> str:
    """The page on which something stands that is sent to ``path``."""
    found = PAGES.match(path)
    return found[0] if found else "/"


def here(method: str, path: str, query: str) -> str:
    """How to come to the page that answers this: once more, or to the one from which it was sent.

    The way back from a provider cannot be gone twice, and what its address holds is nobody else's.
    """
    if method not in {"GET", "HEAD"} or path.startswith("/sign-in/"):
        return page_on_which(path)
    whole = f"{path}?{query}" if query else path
    return whole if len(whole) <= LONGEST_WAY else path
