"""Whether an SVG picture is one, and does nothing but be looked at."""

from collections.abc import Iterator, Mapping
from xml.parsers import expat

SVG = "http://www.w3.org/2000/svg"
_ACTIVE = frozenset({"script", "foreignObject", "iframe", "embed", "object", "handler", "listener"})
_LINKS = frozenset({"href", "http://www.w3.org/1999/xlink href", "src"})
_MOST = 20


def problems(text: str) -> list[str]:
    """What is wrong, as sentences; empty: nothing.  No entity is expanded, nothing is fetched."""
    reader = _Reader()
    try:
        reader.parse(text)
    except expat.ExpatError as error:
        reader.found.append(f"is no XML: {expat.ErrorString(error.code)} in line {error.lineno}")
    except _Refused as refused:
        reader.found.append(str(refused))
    return list(dict.fromkeys(reader.found))[:_MOST]


class _Refused(ValueError):
    """Reading goes no further."""


class _Reader:
    def __init__(self) -> None:
        self.found: list[str] = []
        self._root = True

    def parse(self, text: str) -> None:
        parser = expat.ParserCreate("utf-8", " ")
        parser.StartElementHandler = self._element
        parser.EntityDeclHandler = self._entity
        parser.ProcessingInstructionHandler = self._instruction
        parser.Parse(text.encode(), True)  # expat's own signature

    def _element(self, name: str, attributes: Mapping[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        if self._root and (local != "svg" or namespace != SVG):
            self.found.append(f'is no SVG picture: its first element is not <svg xmlns="{SVG}">')
        self._root = False
        if local in _ACTIVE:
            self.found.append(f"holds <{local}>, which a browser could execute")
        self.found += _attributes(attributes)

    def _entity(self, *_: object) -> None:
        raise _Refused("declares entities")

    def _instruction(self, target: str, _: str) -> None:
        if target == "xml-stylesheet":
            self.found.append("names a style sheet elsewhere")


def _attributes(attributes: Mapping[str, str]) -> Iterator[str]:
    for name, value in attributes.items():
        local = name.rpartition(" ")[2]
        if local.lower().startswith("on"):
            yield f"holds the attribute {local[:40]!r}, which a browser could execute"
        if name in _LINKS and not value.startswith(("#", "data:image/")):
            yield "refers to something outside of itself"
        if "javascript:" in "".join(value.split()).lower():
            yield "holds a javascript: address"
