"""The original bwVisu's way to ask for a job: a template's name, and variables that are all text.

An application says in ``original:`` of its ``app.yaml`` which template it stands for and which variable means which
parameter.  Here a request is read by that: from the original's alphabet to typed values.
"""

import re
from collections.abc import Mapping
from itertools import islice

from bwvisu.domain.application import Application, Original, did_you_mean, pointer, shown
from bwvisu.domain.declared import Unfit
from bwvisu.domain.job import Scalar
from bwvisu.domain.parameter import Boolean, Choice, Integer, Number, Parameter
from bwvisu.errors import Fault, InvalidInput

VALUE = re.compile(r"[A-Za-z0-9./_-]*", re.ASCII)
"""What a variable's value may hold (its shell injection guard; ours does not need it, old clients may)."""
TEMPLATE_NAME = re.compile(r"[^/\\\r\n]+")
_INTEGER = re.compile(r"-?[0-9]{1,16}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,16}(\.[0-9]{1,16})?", re.ASCII)
_BOOLEANS = {"true": True, "false": False}
_MOST_UNKNOWN = 20


def read_variables(application: Application, original: Original, variables: Mapping[str, str]) -> Mapping[str, Scalar]:
    """The parameters that the variables mean, by our names; those that are not named are left out.

    Raises `InvalidInput` with a fault for each wrong, missing or unknown variable, under the variable's own name.
    """
    unknown = (name for name in variables if name not in original.variables)
    faults = [_unknown(name, original) for name in islice(unknown, _MOST_UNKNOWN)]
    parameters: dict[str, Scalar] = {}
    for name, target in original.variables.items():
        parameter = application.parameters[target]
        if name in variables:
            try:
                value = typed(parameter, _allowed(variables[name]))
                # whether one with a condition is asked at all is known only when all are read: `Application.check`
                parameters[target] = value if parameter.when else parameter.check(value)
            except Unfit as error:
                faults.append(Fault(_pointer(name), f"{name} {error}"))
        elif parameter.when_absent is None and not parameter.when:
            faults.append(Fault(_pointer(name), f"{name} is required"))
    if faults:
        raise InvalidInput(faults)
    return parameters


def typed(parameter: Parameter, text: str) -> Scalar:
    """The value that a text means for this parameter; where it means none, the text, which no check lets pass."""
    match parameter:
        case Integer() if _INTEGER.fullmatch(text):
            return int(text)
        case Number() if _NUMBER.fullmatch(text):
            return float(text) if "." in text else int(text)
        case Boolean():
            return _BOOLEANS.get(text, text)
        case Choice():
            return next((option.value for option in parameter.choices if str(option.value) == text), text)
        case _:
            return text


def as_variable(fault: Fault, original: Original) -> Fault:
    """A fault about a parameter in the words of a client that knows only the variable; any other as it is."""
    for name, target in original.variables.items():
        if fault.pointer == pointer(target):
            return Fault(_pointer(name), re.sub(rf"^{target}\b", name, fault.detail))
    return fault


def as_text(value: Scalar) -> str:
    """A parameter's value as a variable would hold it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _allowed(text: str) -> str:
    if not VALUE.fullmatch(text):
        raise Unfit("may hold only letters, digits and . / - _")
    return text


def _unknown(name: str, original: Original) -> Fault:
    hint = did_you_mean(name, original.variables)
    return Fault(_pointer(name), f"the application has no variable {shown(name)}{hint}")


def _pointer(name: str) -> str:
    return pointer(name, "/variables")
