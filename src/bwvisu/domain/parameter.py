"""What an application asks of its user: typed parameters with limits.

A parameter is declared in ``app.yaml``, checked here, and published as JSON Schema (2020-12), so that the form, the
API and the batch script agree on what a value may be.  Text is one line: control characters never reach a script.
"""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from bwvisu.domain.declared import LINE, Common, Declared, Schema, There, Unfit, hints, limits_within, line, within

SAFE_INTEGER = 2**53 - 1
"""Largest integer that every JSON reader keeps exactly (RFC 8259, section 6)."""
LONGEST_TEXT = 4096
"""Characters; what a parameter may at most be allowed."""


class IntegerThere(There):
    """A whole number on one cluster."""

    default: int | None = None
    minimum: int | None = None
    maximum: int | None = None


class Integer(Common):
    """A whole number; ``step`` and ``unit`` are hints for the form."""

    type: Literal["integer"]
    clusters: Mapping[str, IntegerThere] = Field(default_factory=dict)
    default: int | None = None
    minimum: int = -SAFE_INTEGER
    maximum: int = SAFE_INTEGER
    step: int | None = Field(default=None, gt=0)
    unit: str = ""

    def check(self, value: object) -> int:
        """Accepts 60 and, as JSON Schema does, 60.0."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unfit("must be a whole number")
        within(value, self.minimum, self.maximum, self.unit)
        return value

    def constraints(self) -> Schema:
        """Limits, unit and step."""
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum} | hints(self.unit, self.step)

    def narrows(self, wider: Self) -> None:
        """Its limits lie within the other's."""
        limits_within(self.minimum, self.maximum, wider.minimum, wider.maximum)

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if self.minimum > self.maximum:
            raise Unfit("has a minimum above its maximum")
        return self


class NumberThere(There):
    """A number on one cluster."""

    default: int | float | None = None
    minimum: int | float | None = None
    maximum: int | float | None = None


class Number(Common):
    """A finite number; ``step`` and ``unit`` are hints for the form."""

    type: Literal["number"]
    clusters: Mapping[str, NumberThere] = Field(default_factory=dict)
    default: int | float | None = None
    minimum: int | float = -math.inf
    maximum: int | float = math.inf
    step: int | float | None = Field(default=None, gt=0)
    unit: str = ""

    def check(self, value: object) -> int | float:
        """Never NaN or infinite; whole numbers stay whole and within what JSON keeps exactly."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unfit("must be a number")
        if (isinstance(value, int) and abs(value) > SAFE_INTEGER) or not math.isfinite(value):
            raise Unfit("must be a finite number of usual size")
        within(value, self.minimum, self.maximum, self.unit)
        return value

    def constraints(self) -> Schema:
        """Limits where there are any, unit and step."""
        limits = {"minimum": self.minimum, "maximum": self.maximum}
        finite: Schema = {key: limit for key, limit in limits.items() if math.isfinite(limit)}
        return {"type": "number"} | finite | hints(self.unit, self.step)

    def narrows(self, wider: Self) -> None:
        """Its limits lie within the other's."""
        limits_within(self.minimum, self.maximum, wider.minimum, wider.maximum)

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if not self.minimum <= self.maximum:
            raise Unfit("has a minimum above its maximum")
        if any(isinstance(limit, int) and abs(limit) > SAFE_INTEGER for limit in (self.minimum, self.maximum)):
            raise Unfit("has a limit of unusual size")
        return self


class BooleanThere(There):
    """Yes or no on one cluster."""

    default: bool | None = None


class Boolean(Common):
    """Yes or no."""

    type: Literal["boolean"]
    clusters: Mapping[str, BooleanThere] = Field(default_factory=dict)
    default: bool | None = None

    @property
    def empty(self) -> bool:
        """No."""
        return False

    def check(self, value: object) -> bool:
        """Exactly true or false: no 0, no "yes"."""
        if not isinstance(value, bool):
            raise Unfit("must be true or false")
        return value

    def constraints(self) -> Schema:
        """The type."""
        return {"type": "boolean"}


class TextThere(There):
    """Text on one cluster."""

    default: str | None = None


class Text(Common):
    """One line of text, whatever it means."""

    clusters: Mapping[str, TextThere] = Field(default_factory=dict)
    default: str | None = None
    maximum_length: int = Field(default=1000, ge=1, le=LONGEST_TEXT)
    pattern: str | None = None
    """Regular expression of the whole text."""

    @property
    def empty(self) -> str:
        """No text."""
        return ""

    def check(self, value: object) -> str:
        """One line, without control characters; text that must be given is not empty."""
        text = line(value)
        if not text and self.when_absent is None:
            raise Unfit("must not be empty")
        if len(text) > self.maximum_length:
            raise Unfit(f"must have at most {self.maximum_length} characters")
        if self.pattern is not None and text != self.empty and not re.fullmatch(self.pattern, text):
            raise Unfit(f"must match {self.pattern}")
        return text

    def constraints(self) -> Schema:
        """Length and, anchored as JSON Schema wants it, the pattern; without one, that of any line."""
        optional = self.when_absent is not None or bool(self.when)
        limits: Schema = {"type": "string", "maxLength": self.maximum_length, "pattern": f"^{LINE}*$"}
        if not optional:
            limits["minLength"] = 1
        if self.pattern is not None:
            limits["pattern"] = f"^(?:{self.pattern})?$" if optional else f"^(?:{self.pattern})$"
        return limits

    def asked(self) -> Schema:
        """What must be given is not empty."""
        return {"minLength": 1} if self.when_absent is None else {}

    @field_validator("pattern")
    @classmethod
    def _pattern_compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except (re.error, OverflowError, RecursionError) as error:
            raise Unfit(f"is no regular expression: {error}") from error
        return pattern


class String(Text):
    """One line of text that means what the application likes."""

    type: Literal["string"]


class Path(Text):
    """A file on the cluster, absolute or relative to the user's home, where jobs start."""

    type: Literal["path"]

    def check(self, value: object) -> str:
        """No leading ``-`` (a program would read an option) and no ``~`` (quoted, no shell would expand it)."""
        text = super().check(value)
        if text.startswith(("-", "~")):
            raise Unfit("must be a path, absolute or relative to the home directory, and not begin with - or ~")
        return text

    def constraints(self) -> Schema:
        """Those of text, marked as a path."""
        plain = super().constraints()
        beginning: Schema = {"pattern": f"^(?![-~]){LINE}*$"} if self.pattern is None else {}
        return plain | beginning | {"x-kind": "path"}


class Option(Declared):
    """One of the things to choose from."""

    value: str | int
    label: str = ""

    @field_validator("value")
    @classmethod
    def _one_line(cls, value: str | int) -> str | int:
        return value if isinstance(value, int) else line(value)


class ChoiceThere(There):
    """One of fewer values on one cluster."""

    default: str | int | None = None
    choices: tuple[Option, ...] | None = Field(default=None, min_length=1)

    @field_validator("choices", mode="before")
    @classmethod
    def _bare_choices(cls, choices: object) -> object:
        return bare_values(choices)


class Choice(Common):
    """One of the listed values: text or whole numbers."""

    type: Literal["choice"]
    clusters: Mapping[str, ChoiceThere] = Field(default_factory=dict)
    choices: tuple[Option, ...] = Field(min_length=1)
    default: str | int | None = None

    @field_validator("choices", mode="before")
    @classmethod
    def _bare_choices(cls, choices: object) -> object:
        return bare_values(choices)

    def on(self, cluster: str) -> Self:
        """The values keep their labels where the cluster gives them none."""
        labels = {option.value: option.label for option in self.choices}
        there = super().on(cluster)
        labelled = (option if option.label else _labelled(option, labels) for option in there.choices)
        return there.model_copy(update={"choices": tuple(labelled)})

    def narrows(self, wider: Self) -> None:
        """It has no value that the other lacks."""
        for option in self.choices:
            try:
                wider.check(option.value)
            except Unfit as error:
                raise Unfit(f"the choice {option.value!r} is none of the parameter's own") from error

    def check(self, value: object) -> str | int:
        """Exactly one of the values, of the same type: neither "1" for 1 nor true for 1."""
        for option in self.choices:
            if type(option.value) is type(value) and option.value == value:
                return option.value
        raise Unfit("must be one of " + ", ".join(str(option.value) for option in self.choices))

    def constraints(self) -> Schema:
        """The values, each with its label."""
        return {"oneOf": [{"const": o.value, "title": o.label or str(o.value)} for o in self.choices]}


def bare_values(choices: object) -> object:
    """Options that are only values, with their key."""
    if not isinstance(choices, list | tuple):
        return choices
    return tuple(option if isinstance(option, dict) else {"value": option} for option in choices)


def _labelled(option: Option, labels: Mapping[str | int, str]) -> Option:
    return option.model_copy(update={"label": labels.get(option.value, "")})


Parameter = Annotated[
    Integer | Number | Boolean | String | Path | Choice,
    Field(discriminator="type"),
]
