"""The little Ruby that most templates hold, as Jinja2: names, literals, comparisons, a few methods.  Never executed."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bwvisu.adapters.ondemand.terms import NotUnderstood, Term, called, chosen, combined, compared, negated, quoted

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_]\w*[?!]?)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:().,]))",
    re.DOTALL,
)
LONGEST = 2000
"""Characters of an expression."""
DEEPEST = 40
"""Expressions within expressions."""
_WORDS = {"and": "&&", "or": "||", "not": "!"}


@dataclass(frozen=True, slots=True)
class Names:
    """What Ruby's names mean: attributes of the form."""

    known: Mapping[str, Term]

    def find(self, name: str) -> Term:
        """Raises `NotUnderstood` for one that is no attribute."""
        if name not in self.known:
            raise NotUnderstood(f"{name} is no attribute of the form")
        return self.known[name]


def value(source: str, names: Names) -> Term:
    """What ``<%= source %>`` prints."""
    return _Reader(source, names).whole()


def condition(source: str, names: Names) -> str:
    """What ``if source`` asks.  In Ruby any text is true, also an empty one: a bare name is not understood."""
    term = value(source, names)
    if term.type != "bool":
        raise NotUnderstood("in Ruby any text and any number is true; was `present?` meant?")
    return term.text


class _Reader:
    def __init__(self, source: str, names: Names, depth: int = 0) -> None:
        if len(source) > LONGEST or depth > DEEPEST:
            raise NotUnderstood("it is too long")
        self._names, self._depth = names, depth
        self._tokens = _tokens(source)
        self._next = 0

    def whole(self) -> Term:
        term = self._ternary()
        if self._next < len(self._tokens):
            raise NotUnderstood(f"{self._tokens[self._next][1][:40]!r} is more Ruby than is understood")
        return term

    def _peek(self) -> str:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else ""

    def _take(self, *signs: str) -> str:
        if self._next < len(self._tokens) and self._tokens[self._next][0] == "sign" and self._peek() in signs:
            self._next += 1
            return self._tokens[self._next - 1][1]
        return ""

    def _need(self, sign: str) -> None:
        if not self._take(sign):
            raise NotUnderstood(f"{sign!r} is missing")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise NotUnderstood("it is nested too deeply")

    def _ternary(self) -> Term:
        self._deeper()
        asked = self._either()
        if self._take("?"):
            then = self._ternary()
            self._need(":")
            other = self._ternary()
            if asked.type != "bool":
                raise NotUnderstood("in Ruby any text and any number is true; was `present?` meant?")
            asked = chosen(asked, then, other)
        self._depth -= 1
        return asked

    def _either(self) -> Term:
        return self._joined(lambda: self._joined(self._not, "&&", "and"), "||", "or")

    def _joined(self, part: Callable[[], Term], sign: str, word: str) -> Term:
        term = part()
        while self._take(sign):
            other = part()
            if term.type != "bool" or other.type != "bool":
                raise NotUnderstood(f"{sign} is understood between conditions only")
            term = Term(f"({term.text} {word} {other.text})", "bool")
        return term

    def _not(self) -> Term:
        if self._take("!"):
            self._deeper()
            term = self._not()
            self._depth -= 1
            if term.type != "bool":
                raise NotUnderstood("! is understood before a condition only")
            return negated(term)
        return self._compared()

    def _compared(self) -> Term:
        left = self._sum()
        sign = self._take("==", "!=", "<", ">", "<=", ">=")
        return compared(left, sign, self._sum()) if sign else left

    def _sum(self) -> Term:
        term = self._product()
        while sign := self._take("+", "-"):
            term = combined(term, sign, self._product())
        return term

    def _product(self) -> Term:
        term = self._unary()
        while sign := self._take("*", "/", "%"):
            term = combined(term, sign, self._unary())
        return term

    def _unary(self) -> Term:
        if self._take("-"):
            self._deeper()
            term = self._unary()
            self._depth -= 1
            return combined(Term("0", "int"), "-", term)
        return self._called(self._primary())

    def _called(self, term: Term) -> Term:
        while self._take("."):
            kind, name = self._tokens[self._next] if self._next < len(self._tokens) else ("", "")
            if kind != "name":
                raise NotUnderstood("a method's name is missing")
            self._next += 1
            argument = None
            if self._take("("):
                argument = None if self._peek() == ")" else self._ternary()
                self._need(")")
            term = called(term, name, argument)
        return term

    def _primary(self) -> Term:
        if self._take("("):
            term = self._ternary()
            self._need(")")
            return term
        kind, text = self._tokens[self._next] if self._next < len(self._tokens) else ("", "")
        self._next += 1
        match kind:
            case "number":
                return Term(text, "float" if "." in text else "int")
            case "text":
                return _text(text, self._names, self._depth)
            case "name" if text in ("true", "false"):
                return Term(text, "bool")
            case "name" if text == "context":
                self._need(".")
                return self._attribute()
            case "name":
                return self._names.find(text)
        raise NotUnderstood("an expression is missing")

    def _attribute(self) -> Term:
        kind, name = self._tokens[self._next] if self._next < len(self._tokens) else ("", "")
        if kind != "name":
            raise NotUnderstood("an attribute's name is missing")
        self._next += 1
        return self._names.find(name)


def _tokens(source: str) -> list[tuple[str, str]]:
    found, place = [], 0
    source = source.rstrip()
    while place < len(source):
        match = _TOKEN.match(source, place)
        if match is None or match.lastgroup is None:
            raise NotUnderstood(f"{source[place : place + 20].strip()!r} is more Ruby than is understood")
        text = match[match.lastgroup]
        found.append(("sign", _WORDS[text]) if text in _WORDS else (match.lastgroup, text))
        place = match.end()
    return found


def _text(token: str, names: Names, depth: int) -> Term:
    """A text between quotes; between double ones ``#{…}`` is an expression."""
    inner = token[1:-1]
    if token[0] == "'":
        return quoted(inner.replace("\\'", "'").replace("\\\\", "\\"))
    parts = re.split(r"#\{([^{}]*)\}", inner)
    if any("\\" in part for part in parts[::2]):
        raise NotUnderstood("the text holds a backslash")
    if len(parts) == 1:
        return quoted(inner)
    terms = [_Reader(part, names, depth + 1).whole() if place % 2 else quoted(part) for place, part in enumerate(parts)]
    if any(term.type == "bool" for term in terms):
        raise NotUnderstood("a condition within a text")
    return Term("(" + " ~ ".join(term.text for term in terms if term.literal != "") + ")", "text")
