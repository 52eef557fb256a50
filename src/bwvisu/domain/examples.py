"""Values to try an application with: what most people choose, the extremes, every choice, and hostile texts.

All of them are values that a request may have; which ones are asked follows from the conditions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from bwvisu.domain import asking
from bwvisu.domain.application import Application
from bwvisu.domain.declared import Common, Unfit
from bwvisu.domain.job import Scalar
from bwvisu.domain.parameter import Boolean, Choice, Integer, Number, Path, Text

MOST = 24
"""Examples of one application."""
LONG = 200
"""Characters of a long text; sbatch's options take 255."""
PLAIN = (
    "a", "main", "gpu", "project1", "a-b", "a_b", "a.b", "x1", "A", "0", "1", "10", "4G", "10G", "1.5", "3.11", "v1.0",
    "image.sif", "/a", "/opt/image.sif", "a/b", "00:10:00", "1:00:00", "2026-01-31", "1920x1080", "127.0.0.1",
    "user@example.org", "https://example.org/", "#ff0000", "a b", "a=b", "a,b", "a:b",
    *"bcdefghijklmnopqrstuvwxyzBCDEFGHIJKLMNOPQRSTUVWXYZ23456789",
    *(letter * length for letter in "aA0x" for length in range(2, 33)),
)  # fmt: skip
"""Texts as people type them; one of them fits most patterns."""
HOSTILE = (
    '\'; touch pwned; # $(touch pwned) `touch pwned` "quoted" \\ ${HOME} && || | < > * ? ~ ! %s {{ 7*7 }} {% if %}',
    "$(touch pwned)",
    "`touch pwned`",
    "a b; touch pwned",
    "a'b",
    'a"b',
    "a\\",
    "a b",
    "a*",
    "-rf",
    "é",
)
"""Texts that a shell would obey or take apart, the worst first."""
Pick = Callable[[str, Common], Scalar]


@dataclass(frozen=True, slots=True)
class Example:
    """Complete values, as a job has them, and in a few words which they are."""

    what: str
    values: Mapping[str, Scalar]


class NoExample(ValueError):
    """No value is known that this parameter takes; the text is its name."""


def examples(application: Application) -> Sequence[Example]:
    """At most `MOST`; the first is what somebody gets who chooses nothing.  Raises `NoExample`."""
    found = [
        _made(application, "what is given by default", usual),
        _made(application, "the lowest values", _lowest),
        _made(application, "the highest values", _highest),
        _made(application, "hostile texts", _hostile),
        *chain.from_iterable(_choices(application, name, each) for name, each in application.parameters.items()),
        *chain.from_iterable(_where_asked(application, name) for name, p in application.parameters.items() if p.when),
    ]
    different: dict[tuple[object, ...], Example] = {}
    for each in found:
        different.setdefault(tuple(each.values.items()), each)
    return list(different.values())[:MOST]


def usual(name: str, parameter: Common) -> Scalar:
    """What somebody gets who chooses as little as possible."""
    return _lowest(name, parameter) if parameter.unasked in (None, "") else parameter.unasked


def tame(name: str, parameter: Common) -> Scalar:
    """Text that may stand anywhere, even in an ``#SBATCH`` line."""
    return _fitting(name, parameter, PLAIN) if isinstance(parameter, Text) else usual(name, parameter)


def given(application: Application, pick: Pick, fixed: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
    """Complete values: ``fixed`` where a parameter is asked and they say something, else what is picked."""
    values: dict[str, Scalar] = {}
    asked: set[str] = set()
    for name, parameter in application.parameters.items():
        if asking.holds(parameter.when, asked, values):
            asked.add(name)
            values[name] = fixed[name] if name in fixed else pick(name, parameter)
        elif parameter.unasked is not None:
            values[name] = parameter.unasked
    return values


def _made(application: Application, what: str, pick: Pick, fixed: Mapping[str, Scalar] | None = None) -> Example:
    return Example(what, application.check(given(application, pick, fixed or {})))


def _choices(application: Application, name: str, parameter: Common) -> Sequence[Example]:
    """Every value of a parameter that has few."""
    match parameter:
        case Choice():
            values: Sequence[Scalar] = [option.value for option in parameter.choices]
        case Boolean():
            values = [False, True]
        case _:
            return []
    where = _where(application, name)
    if where is None:
        return []
    told = (str(value).lower() if isinstance(value, bool) else str(value) for value in values)
    return [
        _made(application, f"{name} is {word}", usual, {**where, name: value})
        for word, value in zip(told, values, strict=True)
    ]


def _where_asked(application: Application, name: str) -> Sequence[Example]:
    where = _where(application, name)
    return [] if where is None else [_made(application, f"where {name} is asked", _hostile, where)]


def _where(application: Application, name: str) -> Mapping[str, Scalar] | None:
    """Values with which it is asked; None: there are none on this cluster, whose choices are fewer."""
    found: dict[str, Scalar] = {}
    for other, wanted in asking.whole_conditions(application.parameters)[name].items():
        possible = [value for value in wanted if _may_be(application.parameters[other], value)]
        if not possible:
            return None
        found[other] = possible[0]
    return found


def _may_be(parameter: Common, value: Scalar) -> bool:
    try:
        parameter.check(value)
    except Unfit:
        return False
    return True


def _lowest(name: str, parameter: Common) -> Scalar:
    match parameter:
        case Integer():
            return parameter.minimum
        case Number():
            return max(parameter.minimum, -1234567.5) if parameter.maximum >= -1234567.5 else parameter.maximum
        case Choice():
            return parameter.choices[0].value
        case Boolean():
            return False
        case _:
            return "" if parameter.when_absent is not None else _fitting(name, parameter, PLAIN)


def _highest(name: str, parameter: Common) -> Scalar:
    match parameter:
        case Integer():
            return parameter.maximum
        case Number():
            return min(parameter.maximum, 1234567.5) if parameter.minimum <= 1234567.5 else parameter.minimum
        case Choice():
            return parameter.choices[-1].value
        case Boolean():
            return True
        case Text():
            return _fitting(name, parameter, ("x" * min(parameter.maximum_length, LONG), *PLAIN[::-1]))
        case _:
            raise NoExample(name)


def _hostile(name: str, parameter: Common) -> Scalar:
    if isinstance(parameter, Boolean):
        return True
    if isinstance(parameter, Text):
        paths = ("/a/$(touch pwned)/b c/'d\"", "a b") if isinstance(parameter, Path) else ()
        return _fitting(name, parameter, (*HOSTILE, *paths, *PLAIN))
    return usual(name, parameter)


def _fitting(name: str, parameter: Common, candidates: Sequence[Scalar]) -> Scalar:
    """The first that may be; else the default."""
    for candidate in candidates:
        try:
            return parameter.check(candidate)
        except Unfit:
            continue
    if parameter.unasked in (None, "") and parameter.when_absent is None:
        raise NoExample(name)
    return parameter.unasked if parameter.unasked is not None else ""
