"""ERB as Jinja2: text stays text, expressions and conditions that are understood are translated, the rest is a gap."""

import re
from dataclasses import dataclass, field

from bwvisu.adapters.ondemand.erb import Kind, Piece, pieces
from bwvisu.adapters.ondemand.notes import Notes
from bwvisu.adapters.ondemand.ruby import Names, condition, value
from bwvisu.adapters.ondemand.shell_state import ShellState
from bwvisu.adapters.ondemand.terms import NotUnderstood, Term, negated

_MARKS = re.compile(r"\{\{|\{%|\{$")
_MAGIC = re.compile(r"^#(?=SBATCH|PBS|BSUB|KEYHOLE)", re.MULTILINE)
_OPENS = re.compile(r"^(if|unless|case|while|until|begin|for|def|class|module)\b|\bdo(\s*\|[^|]*\|)?$")
_BRANCH = re.compile(r"^(elsif|when|in|rescue|ensure)\b|^else$")


_OURS = ("not_translated_", "access.password")
"""Beginnings of what stands in expressions and is no text of a user."""


def literal(text: str) -> str:
    """Text that Jinja2 gives back as it is, and that neither sbatch nor bwVisu obeys."""
    marked = _MAGIC.sub("# ", text)
    return _MARKS.sub(r"{%+ raw %}\g<0>{%+ endraw +%}", marked)


@dataclass(slots=True)
class Translator:
    """Of one file."""

    file: str
    names: Names
    notes: Notes
    variables: dict[str, str] = field(default_factory=dict)
    """Expression -> the variable of the shell that must hold it."""
    _open: list[str] = field(default_factory=list)
    _state: ShellState = field(default_factory=ShellState)
    _told: bool = False

    def whole(self, text: str) -> str:
        """The translation; every block that was opened is closed."""
        out = [self._piece(piece) for piece in pieces(text)]
        if self._open:
            self.notes.say(self.file, "a block is not closed")
            out += ["\n", *(f"{end}\n" for end in self.left_open())]
        return "".join(out)

    def value(self, code: str, line: int | None) -> Term:
        """An expression, or the gap in its place."""
        try:
            return value(code, self.names)
        except NotUnderstood as why:
            return Term(self.notes.gap(self.file, str(why), f"<%= {code} %>", line), "text")

    def statement(self, piece: Piece) -> str:
        """One of several that stand in different places."""
        return self._statement(piece)

    def left_open(self) -> list[str]:
        """What closes the blocks that are open."""
        return [f"{{% {each} %}}" for each in reversed(self._open)]

    def _piece(self, piece: Piece) -> str:
        if piece.kind is Kind.TEXT:
            self._state.feed(piece.text)
            return literal(piece.text)
        if piece.kind is Kind.VALUE:
            return self._stands(self.value(piece.text, piece.line), piece)
        statement = self._statement(piece)
        return statement if piece.tight else statement.replace(" %}", " +%}")

    def _stands(self, term: Term, piece: Piece) -> str:
        """A value where the script puts it: a text of a user is never part of the script itself."""
        if term.literal is not None:
            self._state.feed(term.literal)
            return literal(term.literal)
        if term.type == "bool" and term.text.isidentifier():
            return f"{{{{ 1 if {term.text} else 0 }}}}"  # as a box that is ticked is in the form
        if term.type == "text" and not term.text.startswith(_OURS):
            return self._text_stands(term, piece)
        return f"{{{{ {term.text} }}}}"

    def _text_stands(self, term: Term, piece: Piece) -> str:
        if self._state.here and self._state.fixed:
            why = "nothing expands in a here-document with a quoted end mark"
            return f"{{{{ {self.notes.gap(self.file, why, f'<%= {piece.text} %>', piece.line)} }}}}"
        if self._state.here or self._state.quote == '"':
            return f"${{{self._variable(term)}}}"
        if self._state.quote == "'":
            return f"'\"${{{self._variable(term)}}}\"'"
        if not self._told:
            why = "a text without quotes is one word here; where several are meant, split it"
            self.notes.say(self.file, why, line=piece.line)
            self._told = True
        return f"{{{{ {term.text} }}}}"

    def _variable(self, term: Term) -> str:
        """A variable of the shell that holds the value."""
        return self.variables.setdefault(term.text, f"ood_value_{len(self.variables)}")

    def _statement(self, piece: Piece) -> str:
        code, line = piece.text, piece.line
        if code == "end":
            return self._close(line)
        word, _, rest = code.partition(" ")
        if word in ("if", "unless") and "\n" not in code and ";" not in code:
            self._open.append("endif")
            asked = self._condition(rest.removesuffix(" then"), code, line)
            asked = asked if word == "if" else negated(Term(asked, "bool")).text
            return f"{{% if {asked} %}}"
        if self._open and _BRANCH.match(code):
            if code == "else":
                return "{% else %}"
            asked = self._condition(rest, code, line) if word == "elsif" else self._gap("not understood", code, line)
            return f"{{% elif {asked} %}}"
        return self._foreign(code, line)

    def _condition(self, code: str, whole: str, line: int) -> str:
        try:
            return condition(code, self.names)
        except NotUnderstood as why:
            return self._gap(str(why), whole, line)

    def _gap(self, why: str, code: str, line: int) -> str:
        return self.notes.gap(self.file, why, f"<% {code} %>", line)

    def _close(self, line: int) -> str:
        if not self._open:
            self.notes.say(self.file, "an end without a beginning", "<% end %>", line)
            return ""
        return f"{{% {self._open.pop()} %}}"

    def _foreign(self, code: str, line: int) -> str:
        """Other Ruby: what stands within its blocks is kept, behind a gap."""
        statements = [each.strip() for each in re.split(r"[\n;]", code) if each.strip()]
        opened = sum(bool(_OPENS.search(each)) for each in statements)
        closed = sum(each == "end" or each.startswith("end.") for each in statements)
        if opened > closed:
            self._open += ["endif"] * (opened - closed)
            gap = self._gap("Ruby that is not understood", code, line)
            return "".join(f"{{% if {gap} %}}" for _ in range(opened - closed))
        if statements:
            self.notes.say(self.file, "Ruby that is not understood was left out", f"<% {code} %>", line)
        return "".join(self._close(line) for _ in range(closed - opened))
