"""What is asked of a user, in order: a parameter with a condition only where it holds.

A value for a parameter that is not asked is refused unless it is the one that the job gets anyway: a value without
effect would mislead, and what a job shows of its parameters can be sent again.
"""

from collections.abc import Container, Iterator, Mapping

from bwvisu.domain.declared import Common, Condition, Schema, Unfit, same
from bwvisu.domain.job import Scalar

Parameters = Mapping[str, Common]
DIALECT = "https://json-schema.org/draft/2020-12/schema"


MOST_CONDITIONS = 10
"""Parameters on which one may hang, those included on which they hang themselves."""


def check_conditions(parameters: Parameters) -> None:
    """Raise ValueError for a condition that names no earlier parameter or no value of it, or that can never hold."""
    before: dict[str, Common] = {}
    whole: dict[str, Condition] = {}
    for name, parameter in parameters.items():
        for other, values in parameter.when.items():
            if other not in before:
                raise ValueError(f"{name} is asked when {other[:80]!r} has a value, which is no parameter before it")
            for value in values:
                try:
                    before[other].check(value)
                except Unfit as error:
                    raise ValueError(f"{name} is asked when {other} has a value that may not be: it {error}") from error
        whole[name] = _joined(parameter.when, whole)
        if len(whole[name]) > MOST_CONDITIONS:
            raise ValueError(f"{name} hangs on more than {MOST_CONDITIONS} other parameters")
        if not all(whole[name].values()):
            raise ValueError(f"{name} can never be asked: its conditions exclude each other")
        before[name] = parameter


def whole_conditions(parameters: Parameters) -> Mapping[str, Condition]:
    """Each one's condition, with those of the parameters that it names: what is not asked has no value."""
    whole: dict[str, Condition] = {}
    for name, parameter in parameters.items():
        whole[name] = _joined(parameter.when, whole)
    return whole


def read(parameters: Parameters, given: Mapping[str, object]) -> tuple[Mapping[str, Scalar], Mapping[str, str]]:
    """Every parameter with its value, in order; and those that are wrong, each with the end of a sentence."""
    values: dict[str, Scalar] = {}
    wrong: dict[str, str] = {}
    asked: set[str] = set()
    for name, parameter in parameters.items():
        if any(other in wrong for other in parameter.when):
            wrong[name] = ""  # nobody knows whether it is asked
            continue
        try:
            if holds(parameter.when, asked, values):
                asked.add(name)
                values[name] = _asked(parameter, name, given)
            else:
                values[name] = _unasked(parameter, name, given, parameters)
        except Unfit as error:
            wrong[name] = str(error)
    return values, {name: why for name, why in wrong.items() if why}


def holds(when: Condition, asked: Container[str], values: Mapping[str, Scalar]) -> bool:
    """Whether a parameter is asked, where these are asked and have these values."""
    return all(other in asked and _among(values[other], wanted) for other, wanted in when.items())


def json_schema(title: str, parameters: Parameters) -> Schema:
    """JSON Schema (2020-12) of all of them; a condition is an ``if`` with its ``then`` and ``else``."""
    always = [name for name, parameter in parameters.items() if parameter.when_absent is None and not parameter.when]
    schema: Schema = {
        "$schema": DIALECT,
        "title": title,
        "type": "object",
        "properties": {name: parameter.json_schema() for name, parameter in parameters.items()},
        "required": always,
        "additionalProperties": False,
    }
    conditional = list(_conditional(parameters))
    return schema | ({"allOf": conditional} if conditional else {})


def in_words(condition: Condition) -> str:
    """``gpu is true and mode is a or b``."""
    return " and ".join(f"{name} is {' or '.join(map(_literal, values))}" for name, values in condition.items())


def _asked(parameter: Common, name: str, given: Mapping[str, object]) -> Scalar:
    if name in given:
        return parameter.check(given[name])
    if parameter.when_absent is None:
        raise Unfit("is required")
    return parameter.when_absent


def _unasked(parameter: Common, name: str, given: Mapping[str, object], parameters: Parameters) -> Scalar:
    value = parameter.unasked
    if value is None or (name in given and not same(given[name], value)):
        raise Unfit(f"is asked only where {in_words(whole_conditions(parameters)[name])}")
    return value


def _conditional(parameters: Parameters) -> Iterator[Schema]:
    whole = whole_conditions(parameters)
    for name, parameter in parameters.items():
        if parameter.when:
            required = {"required": [name]} if parameter.when_absent is None else {}
            further = {"properties": {name: parameter.asked()}} if parameter.asked() else {}
            yield {
                "if": _holds(whole[name], parameters),
                "then": required | further,
                "else": {"properties": {name: {"const": parameter.unasked}}},
            }


def _holds(condition: Condition, parameters: Parameters) -> Schema:
    """A parameter that is left out has its default, which may be what is wanted."""
    named = [name for name, values in condition.items() if not _among(parameters[name].when_absent, values)]
    return {"properties": {name: {"enum": list(values)} for name, values in condition.items()}, "required": named}


def _joined(own: Condition, whole: Mapping[str, Condition]) -> Condition:
    joined: dict[str, tuple[Scalar, ...]] = {}
    for other, values in own.items():
        for more, wanted in (*whole[other].items(), (other, values)):
            earlier = joined.get(more)
            joined[more] = wanted if earlier is None else tuple(each for each in wanted if _among(each, earlier))
    return joined


def _among(value: object, wanted: tuple[Scalar, ...]) -> bool:
    return any(same(value, each) for each in wanted)


def _literal(value: Scalar) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) or "empty"
