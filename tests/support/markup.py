"""Whether a page's tags stand as they must: browsers mend what is wrong without a word, each page in its own way."""

from collections.abc import Sequence
from html.parser import HTMLParser

VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
"""Elements that have no end."""


def unbalanced(page: str) -> list[str]:
    """What is wrong with the tags of a page of ours, which leaves out no end that HTML would let it leave out."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return [*reader.wrong, *(f"<{tag}> of line {line} has no end" for tag, line in reader.open)]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, int]] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.wrong.append(f"<{tag}> of line {self.getpos()[0]} has an attribute twice")
        if tag not in VOID:
            self.open.append((tag, self.getpos()[0]))

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1][0] == tag:
            self.open.pop()
        else:
            inside = self.open[-1][0] if self.open else "nothing"
            self.wrong.append(f"</{tag}> of line {self.getpos()[0]} stands in <{inside}>")
