"""What all parameters of an application have in common: how they are declared, when they are asked, and where.

A parameter with ``when`` is asked only where earlier ones have certain values.  One with ``clusters`` is narrower on
some clusters: `Common.on` is the parameter as one of them has it.
"""

import unicodedata
from abc import abstractmethod
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bwvisu.domain.job import Scalar

Schema = dict[str, object]
Condition = Mapping[str, tuple[Scalar, ...]]
"""Parameter -> the values of which it must have one; all of them together."""
LINE = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]"
"""What `line` lets pass, but for halves of characters, which no JSON text has; read by Python and JavaScript alike."""


class Unfit(ValueError):
    """A value that may not be; its text is the end of a sentence that begins with the parameter's name."""


class Declared(BaseModel):
    """A part of ``app.yaml``: exactly the declared keys, exactly the declared types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class There(Declared):
    """What of a parameter is narrower on one cluster; what is not said is as everywhere."""


class Common(Declared):
    """What all parameters have.  ``check`` raises `Unfit`."""

    label: str = ""
    help: str = ""
    required: bool | None = None
    """Must the request name it?  By default: when it has no default."""
    when: Condition = Field(default_factory=dict)
    """It is asked only where this holds."""

    @property
    def given_default(self) -> Scalar | None:
        """The declared default, if any."""
        default: Scalar | None = getattr(self, "default", None)
        return default

    @property
    def narrower(self) -> Mapping[str, There]:
        """What is said of single clusters."""
        there: Mapping[str, There] = getattr(self, "clusters", {})
        return there

    @property
    def empty(self) -> Scalar | None:
        """The value of an optional parameter without a default; None where the type has no such value."""
        return None

    @property
    def unasked(self) -> Scalar | None:
        """What a job gets where the parameter is not asked; None: the type has nothing for that."""
        return self.empty if self.given_default is None else self.given_default

    @property
    def when_absent(self) -> Scalar | None:
        """What a request that does not name the parameter gets; None: it must name it."""
        required = self.given_default is None if self.required is None else self.required
        return None if required else self.unasked

    @abstractmethod
    def check(self, value: object) -> Scalar:
        """The value as the job gets it."""

    @abstractmethod
    def constraints(self) -> Schema:
        """The part of the JSON Schema that is the type's own."""

    def asked(self) -> Schema:
        """What further holds of the value where a parameter with a condition is asked."""
        return {}

    def narrows(self, wider: Self) -> None:
        """Raise `Unfit` where this lets a value pass that ``wider`` does not."""

    def json_schema(self) -> Schema:
        """JSON Schema of the value, with what a form needs."""
        texts = {"title": self.label or None, "description": self.help or None, "default": self.when_absent}
        shown = self.constraints() | {key: text for key, text in texts.items() if text is not None}
        return shown | ({"x-when": {name: list(values) for name, values in self.when.items()}} if self.when else {})

    def on(self, cluster: str) -> Self:
        """The parameter as this cluster has it."""
        there = self.narrower.get(cluster)
        if there is None:
            return self
        everywhere = self.model_dump(exclude={"clusters"}, exclude_unset=True)
        return type(self).model_validate(everywhere | there.model_dump(exclude_unset=True))

    @field_validator("when", mode="before")
    @classmethod
    def _bare_values(cls, when: object) -> object:
        if not isinstance(when, Mapping):
            return when
        return {name: tuple(values) if isinstance(values, list | tuple) else (values,) for name, values in when.items()}

    @field_validator("when")
    @classmethod
    def _names_values(cls, when: Condition) -> Condition:
        for name, values in when.items():
            if not values:
                raise Unfit(f"names no value of {name}")
        return when

    @model_validator(mode="after")
    def _default_is_allowed(self) -> Self:
        if self.given_default is not None:
            self.check(self.given_default)
        elif self.required is False and self.empty is None:
            raise Unfit("is not required, so it needs a default")
        elif self.when and self.empty is None:
            raise Unfit("is not always asked, so it needs a default")
        return self

    @model_validator(mode="after")
    def _clusters_are_narrower(self) -> Self:
        for cluster in self.narrower:
            try:
                self.on(cluster).narrows(self)
            except ValidationError as error:
                why = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
                raise Unfit(f"on {cluster}: {why}") from error
            except Unfit as error:
                raise Unfit(f"on {cluster}: {error}") from error
        return self


def line(value: object) -> str:
    """Text without control characters, line ends of any script, or halves of characters."""
    if not isinstance(value, str):
        raise Unfit("must be text")
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in value):
        raise Unfit("must be one line of text without control characters")
    return value


def within(value: float, minimum: float, maximum: float, unit: str) -> None:
    """Raise `Unfit` for a number beyond its limits."""
    suffix = f" {unit}" if unit else ""
    if value < minimum:
        raise Unfit(f"must be at least {minimum}{suffix}")
    if value > maximum:
        raise Unfit(f"must be at most {maximum}{suffix}")


def limits_within(minimum: float, maximum: float, lowest: float, highest: float) -> None:
    """Raise `Unfit` where limits reach beyond others."""
    if minimum < lowest:
        raise Unfit("has a minimum below the parameter's own")
    if maximum > highest:
        raise Unfit("has a maximum above the parameter's own")


def hints(unit: str, step: float | None) -> Schema:
    """What a form may use of a number."""
    return ({"x-unit": unit} if unit else {}) | ({"x-step": step} if step is not None else {})


def same(one: object, other: object) -> bool:
    """Whether JSON has them for the same value: 1 and 1.0, but not 1 and true."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other
