"""An application's JSON Schema as a form, and what was posted as the API's parameters.  Pure.

Nothing is judged here: what was typed goes to the API, whose faults come back to their fields.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bwvisu.errors import Fault
from bwvisu.portal.sayings import Translate, beside

Kind = Literal["integer", "number", "boolean", "choice", "text", "path"]
PREFIX = "p."
"""In front of a parameter's name in the posted form, so that none meets a field of ours."""
PARAMETERS = "/parameters/"
"""In front of a parameter's name in the pointers of the API."""
NO_LIMIT = 2**53 - 1
"""What the schema gives where an application sets no limit."""
IDLE_STOP = "idle-stop"
"""Our own field among the parameters, see `idle_stop`; no parameter's name has a hyphen."""
RESOURCES = frozenset({"minutes", "cores", "memory", "gpus", "nodes", "partition", IDLE_STOP})
"""What asks Slurm for something, or bounds it; all others are the application's own."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values."""

    value: str
    """As JSON would write it."""
    title: str


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter as a form asks for it."""

    name: str
    kind: Kind
    title: str
    help: str
    value: str
    """What stands in it; of a boolean "true" or "false"."""
    minimum: float | None
    maximum: float | None
    step: str
    unit: str
    choices: tuple[Choice, ...]
    required: bool
    when: Mapping[str, Sequence[str]]
    """Other parameters and the values of which they must have one; as in `value`."""
    error: str = ""

    @property
    def key(self) -> str:
        """Its name in the posted form."""
        return PREFIX + self.name

    @property
    def resource(self) -> bool:
        """Whether it asks Slurm for something."""
        return self.name in RESOURCES

    @property
    def conditions(self) -> str:
        """`when` for the page's script: ``name=value|value;name=value``."""
        return ";".join(f"{name}={'|'.join(values)}" for name, values in self.when.items())


def fields(
    schema: Mapping[str, Any], values: Mapping[str, Any] | None = None, faults: Sequence[Fault] = ()
) -> tuple[Field, ...]:
    """The form; ``values``: what stands in it beside the defaults; ``faults``: what the API objected to."""
    wrong = {fault.pointer.removeprefix(PARAMETERS): fault.detail for fault in faults}
    required = frozenset(schema.get("required", ()))
    return tuple(
        _field(name, rules, (values or {}).get(name, rules.get("default")), name in required, wrong.get(name, ""))
        for name, rules in schema.get("properties", {}).items()
    )


def more(schema: Mapping[str, Any], values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The values with twice as much of one, as far as it goes; those that can be doubled are whole numbers."""
    value, limit = values.get(name), schema.get("properties", {}).get(name, {}).get("maximum", math.inf)
    doubled = min(2 * value, max(value, limit)) if isinstance(value, int) and not isinstance(value, bool) else value
    return {**values, **({} if value is None else {name: doubled})}


def general_faults(schema: Mapping[str, Any], faults: Sequence[Fault]) -> list[str]:
    """What the API objected to beside the fields that are asked."""
    known = {f"{PARAMETERS}{name}" for name in schema.get("properties", {})}
    return [fault.detail for fault in faults if fault.pointer not in known]


def in_words(faults: Sequence[Fault], translate: Translate) -> list[Fault]:
    """The same in the reader's language."""
    return [Fault(each.pointer, beside(each.pointer.rpartition("/")[2], each.detail, translate)) for each in faults]


def shown(schema: Mapping[str, Any], values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Titles and values of a job; of a choice its title, behind a number its unit."""
    known = schema.get("properties", {})
    return [
        (str(known.get(name, {}).get("title") or name), _shown(known.get(name, {}), values[name])) for name in values
    ]


def _shown(rules: Mapping[str, Any], value: Any) -> Any:
    if isinstance(value, bool):
        return value
    titles = {choice.value: choice.title for choice in _choices(rules)}
    unit = rules.get("x-unit", "")
    return f"{titles.get(_text(value), _text(value))} {unit}".strip()


def parameters(schema: Mapping[str, Any], posted: Mapping[str, str]) -> dict[str, Any]:
    """What was posted, as the schema types it; a parameter that is not asked for is left out.

    Conditions are on parameters further up, which must be asked for themselves.
    """
    values: dict[str, Any] = {}
    asked: dict[str, str] = {}
    for field in fields(schema):
        if all(other in asked and asked[other] in wanted for other, wanted in field.when.items()):
            value = _typed(schema["properties"][field.name], posted.get(field.key))
            asked[field.name] = _text(value)
            values |= {} if value is None else {field.name: value}
    return values


def _field(name: str, rules: Mapping[str, Any], value: Any, required: bool, error: str) -> Field:
    return Field(
        name=name,
        kind=_kind(rules),
        title=str(rules.get("title") or name),
        help=str(rules.get("description", "")),
        value=_text(value),
        minimum=_limit(rules.get("minimum")),
        maximum=_limit(rules.get("maximum")),
        step=_text(rules.get("x-step", 1 if rules.get("type") == "integer" else "any")),
        unit=str(rules.get("x-unit", "")),
        choices=tuple(_choices(rules)),
        required=required,
        when={other: [_text(each) for each in wanted] for other, wanted in rules.get("x-when", {}).items()},
        error=error,
    )


def _limit(number: float | None) -> float | None:
    return None if number is None or abs(number) >= NO_LIMIT else number


def _kind(rules: Mapping[str, Any]) -> Kind:
    if "oneOf" in rules or "enum" in rules:
        return "choice"
    match rules.get("type"):
        case "integer":
            return "integer"
        case "number":
            return "number"
        case "boolean":
            return "boolean"
    return "path" if rules.get("x-kind") == "path" else "text"


def _choices(rules: Mapping[str, Any]) -> list[Choice]:
    titled = [(each["const"], each.get("title")) for each in rules.get("oneOf", ())]
    plain = [(each, None) for each in rules.get("enum", ())]
    return [Choice(_text(value), str(title or _text(value))) for value, title in titled + plain]


def _typed(rules: Mapping[str, Any], text: str | None) -> Any:
    """As JSON; what is no number stays text, so that the API says what is wrong with it."""
    kind = _kind(rules)
    if kind == "boolean":
        return text is not None and text != "false"
    if text is None:
        return None
    if kind == "choice":
        values = [each["const"] for each in rules.get("oneOf", ())] + list(rules.get("enum", ()))
        return next((value for value in values if _text(value) == text), text)
    if kind in {"integer", "number"}:
        return None if not text.strip() and "default" in rules else _number(text.strip())
    return text.replace("\r\n", "\n")


def _number(text: str) -> int | float | str:
    if re.fullmatch(r"[-+]?\d{1,18}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"[-+]?\d+[.,]\d*([eE][-+]?\d{1,2})?", text, re.ASCII) and math.isfinite(
        number := float(text.replace(",", "."))
    ):
        return number
    return text


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
