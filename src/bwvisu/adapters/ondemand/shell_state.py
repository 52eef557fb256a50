"""Where in a shell script a text ends: within quotes, in a here-document, or neither."""

import re
from dataclasses import dataclass, field

_HERE = re.compile(r"<<(-?)[ \t]*(\\?)(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\3")


@dataclass(slots=True)
class ShellState:
    """Fed a script piece by piece; nested substitutions within quotes are not followed."""

    quote: str = ""
    """``'`` or ``"``; empty: none."""
    here: str = ""
    """The end mark of the here-document; empty: none."""
    fixed: bool = False
    """Nothing expands in it: its end mark is quoted."""
    _coming: list[tuple[str, bool]] = field(default_factory=list)
    _line: str = ""
    """What stands on the present line so far."""

    def feed(self, text: str) -> None:
        """Go on to the end of this text."""
        place = 0
        while place < len(text):
            place = self._in_here(text, place) if self.here else self._one(text, place)

    def _in_here(self, text: str, place: int) -> int:
        end = text.find("\n", place)
        if end < 0:
            self._line += text[place:]
            return len(text)
        if (self._line + text[place:end]).strip("\t") == self.here:
            self.here, self.fixed = "", False
            self._begin_here()
        self._line = ""
        return end + 1

    def _begin_here(self) -> None:
        if self._coming:
            self.here, self.fixed = self._coming.pop(0)

    def _one(self, text: str, place: int) -> int:
        character = text[place]
        if character == "\n":
            self._line = ""
            self._begin_here()
            return place + 1
        if character == "\\" and self.quote != "'":
            self._line += text[place : place + 2]
            return place + 2
        if self.quote:
            self.quote = "" if character == self.quote else self.quote
        elif character in "'\"":
            self.quote = character
        elif character == "#" and (not self._line or self._line[-1] in " \t;(&|"):
            end = text.find("\n", place)
            return len(text) if end < 0 else end
        elif character == "<" and (match := _HERE.match(text, place)) and not self._line.endswith("<"):
            self._coming.append((match[4], bool(match[2] or match[3])))
            self._line += match[0]
            return match.end()
        self._line += character
        return place + 1
