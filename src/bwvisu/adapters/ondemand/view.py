"""``view.html.erb``: how Open OnDemand leads its user in, as ``connect``."""

import re
from html.parser import HTMLParser
from typing import Any

from bwvisu.adapters.ondemand.notes import Notes

_WAY = re.compile(r"/r?node/<%=\s*host\s*%>/<%=\s*port\s*%>(?P<path>/[!-~]*|)\Z")
_PASSWORD = re.compile(r"<%=\s*(?:connect\.)?password\s*%>")
_VALUE = re.compile(r"<%=.*?%>", re.DOTALL)


class _Page(HTMLParser):
    """The first form with its fields, and the first link."""

    def __init__(self, hidden: dict[str, str]) -> None:
        super().__init__(convert_charrefs=True)
        self._hidden = hidden
        self.form: str | None = None
        self.post = False
        self.fields: dict[str, str] = {}
        self.link: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what is needed of it."""
        values = {name: self._shown(value or "") for name, value in attrs}
        if tag == "form" and self.form is None:
            self.form, self.post = values.get("action", ""), values.get("method", "").lower() == "post"
        elif tag == "input" and self.form is not None and values.get("name"):
            self.fields[values["name"]] = values.get("value", "")
        elif tag == "a" and self.link is None:
            self.link = values.get("href", "")

    def _shown(self, text: str) -> str:
        for word, code in self._hidden.items():
            text = text.replace(word, code)
        return text


def read(file: str, text: str, notes: Notes) -> tuple[dict[str, Any], str]:
    """``connect``, and the path where the page begins; a plain link where more is not understood."""
    hidden: dict[str, str] = {}

    def hide(match: re.Match[str]) -> str:
        word = f"bwvisuvalue{len(hidden)}x"
        hidden[word] = match[0]
        return word

    page = _Page(hidden)
    page.feed(_VALUE.sub(hide, text))
    way = _WAY.match(page.form if page.form is not None else page.link or "")
    if way is None or _VALUE.search(way["path"]):
        notes.say(file, "how it leads its users in is not understood; `connect` is a plain link")
        return {"kind": "link"}, ""
    path = way["path"] or "/"
    if page.form is None or not page.post:
        return {"kind": "link"}, path
    fields = {name: _PASSWORD.sub("{password}", value) for name, value in page.fields.items()}
    for name, value in list(fields.items()):
        if _VALUE.search(value) or re.search(r"\{(?!password\})", value):
            notes.say(file, f"the field {name[:40]!r} is computed, and was left out", value)
            del fields[name]
    return {"kind": "form", "action": path, "fields": fields}, "/"
