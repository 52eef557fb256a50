"""What an application asks of its user: typed parameters with limits.

A parameter is declared in ``app.yaml``, checked here, and published as JSON Schema (2020-12), so that the form, the
API and the batch script agree on what a value may be.  Text is one line: control characters never reach a script.
"""

import math
import re
import unicodedata
from abc import abstractmethod
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bwvisu.domain.job import Scalar

SAFE_INTEGER = 2**53 - 1
"""Largest integer that every JSON reader keeps exactly (RFC 8259, section 6)."""
LONGEST_TEXT = 4096
"""Characters; what a parameter may at most be allowed."""
Schema = dict[str, object]
_LINE = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]"
"""What `_line` lets pass, but for halves of characters, which no JSON text has; read by Python and JavaScript alike."""


class Unfit(ValueError):
    """A value that may not be; its text is the end of a sentence that begins with the parameter's name."""


class Declared(BaseModel):
    """A part of ``app.yaml``: exactly the declared keys, exactly the declared types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Common(Declared):
    """What all parameters have.  ``check`` raises `Unfit`."""

    label: str = ""
    help: str = ""
    required: bool | None = None
    """Must the request name it?  By default: when it has no default."""

    @property
    def given_default(self) -> Scalar | None:
        """The declared default, if any."""
        default: Scalar | None = getattr(self, "default", None)
        return default

    @property
    def empty(self) -> Scalar | None:
        """The value of an optional parameter without a default; None where the type has no such value."""
        return None

    @property
    def when_absent(self) -> Scalar | None:
        """What a request that does not name the parameter gets; None: it must name it."""
        required = self.given_default is None if self.required is None else self.required
        if required:
            return None
        return self.empty if self.given_default is None else self.given_default

    @abstractmethod
    def check(self, value: object) -> Scalar:
        """The value as the job gets it."""

    @abstractmethod
    def constraints(self) -> Schema:
        """The part of the JSON Schema that is the type's own."""

    def json_schema(self) -> Schema:
        """JSON Schema of the value, with what a form needs."""
        texts = {"title": self.label or None, "description": self.help or None, "default": self.when_absent}
        return self.constraints() | {key: text for key, text in texts.items() if text is not None}

    @model_validator(mode="after")
    def _default_is_allowed(self) -> Self:
        if self.given_default is not None:
            self.check(self.given_default)
        elif self.required is False and self.empty is None:
            raise Unfit("is not required, so it needs a default")
        return self


class Integer(Common):
    """A whole number; ``step`` and ``unit`` are hints for the form."""

    type: Literal["integer"]
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
        _within(value, self.minimum, self.maximum, self.unit)
        return value

    def constraints(self) -> Schema:
        """Limits, unit and step."""
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum} | _hints(self.unit, self.step)

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if self.minimum > self.maximum:
            raise Unfit("has a minimum above its maximum")
        return self


class Number(Common):
    """A finite number; ``step`` and ``unit`` are hints for the form."""

    type: Literal["number"]
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
        _within(value, self.minimum, self.maximum, self.unit)
        return value

    def constraints(self) -> Schema:
        """Limits where there are any, unit and step."""
        limits = {"minimum": self.minimum, "maximum": self.maximum}
        finite: Schema = {key: limit for key, limit in limits.items() if math.isfinite(limit)}
        return {"type": "number"} | finite | _hints(self.unit, self.step)

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if not self.minimum <= self.maximum:
            raise Unfit("has a minimum above its maximum")
        if any(isinstance(limit, int) and abs(limit) > SAFE_INTEGER for limit in (self.minimum, self.maximum)):
            raise Unfit("has a limit of unusual size")
        return self


class Boolean(Common):
    """Yes or no."""

    type: Literal["boolean"]
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


class Text(Common):
    """One line of text, whatever it means."""

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
        text = _line(value)
        if not text and self.when_absent is None:
            raise Unfit("must not be empty")
        if len(text) > self.maximum_length:
            raise Unfit(f"must have at most {self.maximum_length} characters")
        if self.pattern is not None and text != self.empty and not re.fullmatch(self.pattern, text):
            raise Unfit(f"must match {self.pattern}")
        return text

    def constraints(self) -> Schema:
        """Length and, anchored as JSON Schema wants it, the pattern; without one, that of any line."""
        limits: Schema = {"type": "string", "maxLength": self.maximum_length, "pattern": f"^{_LINE}*$"}
        if self.when_absent is None:
            limits["minLength"] = 1
        if self.pattern is not None:
            limits["pattern"] = f"^(?:{self.pattern})?$" if self.when_absent is not None else f"^(?:{self.pattern})$"
        return limits

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
        beginning: Schema = {"pattern": f"^(?![-~]){_LINE}*$"} if self.pattern is None else {}
        return plain | beginning | {"x-kind": "path"}


class Option(Declared):
    """One of the things to choose from."""

    value: str | int
    label: str = ""

    @field_validator("value")
    @classmethod
    def _one_line(cls, value: str | int) -> str | int:
        return value if isinstance(value, int) else _line(value)


class Choice(Common):
    """One of the listed values: text or whole numbers."""

    type: Literal["choice"]
    choices: tuple[Option, ...] = Field(min_length=1)
    default: str | int | None = None

    @field_validator("choices", mode="before")
    @classmethod
    def _bare_values(cls, choices: object) -> object:
        if not isinstance(choices, list | tuple):
            return choices
        return tuple(option if isinstance(option, dict) else {"value": option} for option in choices)

    def check(self, value: object) -> str | int:
        """Exactly one of the values, of the same type: neither "1" for 1 nor true for 1."""
        for option in self.choices:
            if type(option.value) is type(value) and option.value == value:
                return option.value
        raise Unfit("must be one of " + ", ".join(str(option.value) for option in self.choices))

    def constraints(self) -> Schema:
        """The values, each with its label."""
        return {"oneOf": [{"const": o.value, "title": o.label or str(o.value)} for o in self.choices]}


Parameter = Annotated[
    Integer | Number | Boolean | String | Path | Choice,
    Field(discriminator="type"),
]


def _line(value: object) -> str:
    """Text without control characters, line ends of any script, or halves of characters."""
    if not isinstance(value, str):
        raise Unfit("must be text")
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in value):
        raise Unfit("must be one line of text without control characters")
    return value


def _within(value: float, minimum: float, maximum: float, unit: str) -> None:
    suffix = f" {unit}" if unit else ""
    if value < minimum:
        raise Unfit(f"must be at least {minimum}{suffix}")
    if value > maximum:
        raise Unfit(f"must be at most {maximum}{suffix}")


def _hints(unit: str, step: float | None) -> Schema:
    return ({"x-unit": unit} if unit else {}) | ({"x-step": step} if step is not None else {})
