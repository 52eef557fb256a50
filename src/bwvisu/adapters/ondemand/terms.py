"""Expressions of Jinja2 with the type that they have here: the form of Open OnDemand knows texts only."""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

Type = Literal["text", "int", "float", "bool"]


class NotUnderstood(ValueError):
    """It is more than that; the text says what."""


class Term(NamedTuple):
    """An expression of Jinja2, in parentheses where it needs them."""

    text: str
    type: Type
    literal: str | None = None
    """The very text, of a text that is written down."""


def quoted(text: str) -> Term:
    """A text that is written down."""
    if any(not character.isprintable() for character in text):
        raise NotUnderstood("the text holds a line end or a control character")
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return Term(f"'{escaped}'", "text", text)


def negated(term: Term) -> Term:
    """What is known is said."""
    known = {"true": "false", "false": "true"}
    return Term(known.get(term.text, f"(not {term.text})"), "bool")


def chosen(asked: Term, then: Term, other: Term) -> Term:
    """One of two, or the one that it surely is."""
    if asked.text in ("true", "false"):
        return then if asked.text == "true" else other
    if then.type != other.type and "bool" in (then.type, other.type):
        raise NotUnderstood("one of two different kinds of values")
    return Term(f"({then.text} if {asked.text} else {other.text})", then.type if then.type == other.type else "text")


def compared(left: Term, sign: str, right: Term) -> Term:
    """A comparison as our types want it: the form of Open OnDemand gives texts only."""
    if left.literal is not None and right.literal is None:
        mirrored = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
        return compared(right, mirrored.get(sign, sign), left)
    if left.type == "bool" and right.literal in ("0", "1", "true", "false") and sign in ("==", "!="):
        is_true = (right.literal in ("1", "true")) == (sign == "==")
        return Term(left.text, "bool") if is_true else negated(left)
    if left.type in ("int", "float") and right.literal is not None:
        if not re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", right.literal):
            raise NotUnderstood("a number is compared with a text")
        right = Term(right.literal, "float" if "." in right.literal else "int")
    numbers = {left.type, right.type} <= {"int", "float"}
    if not numbers and (left.type != right.type or sign not in ("==", "!=")):
        raise NotUnderstood(f"{left.type} is compared with {right.type}")
    return Term(f"({left.text} {sign} {right.text})", "bool")


def combined(left: Term, sign: str, right: Term) -> Term:
    """A sum or product of numbers, or two texts as one."""
    if {left.type, right.type} <= {"int", "float"}:
        whole = left.type == right.type == "int"
        word = "//" if sign == "/" and whole else sign
        return Term(f"({left.text} {word} {right.text})", "int" if whole else "float")
    if sign == "+" and left.type == right.type == "text":
        return Term(f"({left.text} ~ {right.text})", "text")
    raise NotUnderstood(f"{left.type} {sign} {right.type}")


def called(term: Term, method: str, argument: Term | None) -> Term:
    """The result of a method."""
    if argument is None and term.literal is not None and method in ("blank?", "empty?", "present?"):
        there = bool(term.literal.strip())
        return Term(str(there == (method == "present?")).lower(), "bool")
    if argument is None and method in _METHODS and term.type in _METHODS[method]:
        text, kind = _METHODS[method][term.type]
        return Term(text.format(term.text), kind or term.type, term.literal if text == "{}" else None)
    if method == "include?" and argument is not None and term.type == argument.type == "text":
        return Term(f"({argument.text} in {term.text})", "bool")
    raise NotUnderstood(f"the method {method[:40]} of a {term.type}")


_Result = tuple[str, Type | None]
_EMPTY: Mapping[Type, _Result] = {
    "text": ("(not {})", "bool"), "int": ("false", "bool"), "float": ("false", "bool"), "bool": ("false", "bool"),
}  # fmt: skip
_PRESENT: Mapping[Type, _Result] = {
    "text": ("({} != '')", "bool"), "int": ("true", "bool"), "float": ("true", "bool"), "bool": ("true", "bool"),
}  # fmt: skip
_SAME: Mapping[Type, _Result] = {"text": ("{}", None), "int": ("{}", None), "float": ("{}", None), "bool": ("{}", None)}
_METHODS: Mapping[str, Mapping[Type, _Result]] = {
    "blank?": _EMPTY,
    "empty?": {"text": ("(not {})", "bool")},
    "nil?": {**_EMPTY, "text": ("false", "bool")},
    "present?": _PRESENT,
    "to_s": _SAME,
    "to_i": {
        "int": ("{}", None), "float": ("({}|int)", "int"), "text": ("({}|int)", "int"),
        "bool": ("(1 if {} else 0)", "int"),
    },
    "to_f": {"int": ("{}", "float"), "float": ("{}", None), "text": ("({}|float)", "float")},
    "strip": {"text": ("({}|trim)", None)},
    "chomp": {"text": ("({}|trim)", None)},
    "downcase": {"text": ("({}|lower)", None)},
    "upcase": {"text": ("({}|upper)", None)},
    "zero?": {"int": ("({} == 0)", "bool"), "float": ("({} == 0)", "bool")},
    "positive?": {"int": ("({} > 0)", "bool"), "float": ("({} > 0)", "bool")},
}  # fmt: skip
"""Method -> type of what it is called on -> the expression, and its type where that is another."""
