"""Versions of things in headers: ``ETag``, ``If-Match``, ``If-None-Match`` (RFC 9110, sections 8.8.3 and 13.1)."""

import re

_TAG = re.compile(r'\s*(?:(?:(W/)?("[\x21\x23-\x7e\x80-\xff]*")|(\*))\s*(?=,|$)|[^,]*)(?:,|$)')
"""A member of the list; a comma within quotes divides nothing.  What is no tag is nobody's version."""


def etag(revision: int) -> str:
    """The version that a client has seen; 0: there was nothing."""
    return f'"{revision}"'


def listed(if_none_match: str, revision: int) -> bool:
    """Whether the header lists this version; compared weakly, ``*`` is any that there is."""
    return has(if_none_match, etag(revision), exists=revision > 0)


def named(if_match: str, revision: int) -> bool:
    """Whether the header means this version; compared strongly, ``*`` is any that there is."""
    return has(if_match, etag(revision), exists=revision > 0, strongly=True)


def has(header: str, tag: str, *, exists: bool = True, strongly: bool = False) -> bool:
    """Whether the header lists a (strong) tag; ``*`` stands for the thing that ``exists``."""
    for weak, given, star in _TAG.findall(header):
        if (given == tag and not (weak and strongly)) or (star and exists):
            return True
    return False
