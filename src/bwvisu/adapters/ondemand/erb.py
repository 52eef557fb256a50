"""ERB's tags (trim mode ``-``, as Open OnDemand reads it) as pieces of a text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

_TAG = re.compile(r"<%(?P<kind>[%=#-]?)(?P<code>.*?)(?P<trim>-?)%>(?P<end>\n?)", re.DOTALL)


class Kind(Enum):
    """What a piece is."""

    TEXT = "text"
    VALUE = "value"
    """``<%= … %>``: its value stands there."""
    CODE = "code"
    """``<% … %>``: a statement."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an ERB text."""

    kind: Kind
    text: str
    """Text as it stands, or the Ruby between the marks."""
    line: int
    """Where it begins, from 1."""
    tight: bool = False
    """Of code: the line end behind it goes, because the tag says so or stands alone on its line."""


def pieces(text: str) -> Iterator[Piece]:
    """All of it, comments left out."""
    place, line, kept = 0, 1, ""
    for match in _TAG.finditer(text):
        before = text[place : match.start()]
        if match["kind"] == "%":  # <%% is the text <%
            kept += before + "<%" + match[0][3:]
            place = match.end()
            continue
        kept = kept + before
        if match["kind"] == "-":
            kept = kept.rstrip(" \t")
        if kept:
            yield Piece(Kind.TEXT, kept, line)
        line = text.count("\n", 0, match.start()) + 1
        alone = not text[: match.start()].rpartition("\n")[2].strip(" \t") and bool(match["end"])
        tight = bool(match["trim"]) or alone
        if match["kind"] == "=":
            yield Piece(Kind.VALUE, match["code"].strip(), line)
        elif match["kind"] != "#":
            yield Piece(Kind.CODE, match["code"].strip(), line, tight)
        kept = "" if match["kind"] in ("=", "#") and match["trim"] else match["end"]
        line += match[0].count("\n")
        place = match.end()
    if kept + text[place:]:
        yield Piece(Kind.TEXT, kept + text[place:], line)


def has_tags(text: str) -> bool:
    """Whether anything in it would be computed."""
    return any(piece.kind is not Kind.TEXT for piece in pieces(text))
