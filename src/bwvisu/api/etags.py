"""Versions of things in headers: ``ETag``, ``If-Match``, ``If-None-Match`` (RFC 9110, sections 8.8.3 and 13.1)."""


def etag(revision: int) -> str:
    """The version that a client has seen; 0: there was nothing."""
    return f'"{revision}"'


def listed(if_none_match: str, revision: int) -> bool:
    """Whether the header lists this version; compared weakly, ``*`` is any that there is."""
    return _has(if_none_match.replace("W/", ""), revision)


def named(if_match: str, revision: int) -> bool:
    """Whether the header means this version; compared strongly, ``*`` is any that there is."""
    return _has(if_match, revision)


def _has(header: str, revision: int) -> bool:
    given = {each.strip() for each in header.split(",")}
    return etag(revision) in given or ("*" in given and revision > 0)
