"""The kinds of values that settings hold, each with its own check and its own words for a fault."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[smhd])", re.ASCII)


class Section(BaseModel):
    """One level of the file: a key that is not declared is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


def seconds(value: Any) -> Any:
    """Read ``"90s"``, ``"5m"``, ``"2h"``, ``"7d"``; a number is seconds already.  Raises ValueError."""
    if isinstance(value, bool):
        raise ValueError("a duration is a number of seconds, or text such as 90s, 5m, 2h, 7d")  # noqa: TRY004 pydantic's protocol
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip())
    if match:
        return float(match["number"]) * _UNITS[match["unit"]]
    try:
        return float(value)  # an environment variable is always text
    except ValueError:
        raise ValueError("a duration is a number of seconds, or text such as 90s, 5m, 2h, 7d") from None


def in_words(duration: float) -> str:
    """Write seconds as the file would have them: ``604800.0`` -> ``"7d"``, ``0.5`` -> ``"0.5s"``."""
    for unit, size in sorted(_UNITS.items(), key=lambda item: -item[1]):
        if duration >= size and duration % size == 0:
            return f"{duration / size:.0f}{unit}"
    return f"{duration:g}s"


def _whole(value: float) -> float:
    if not value.is_integer():
        raise ValueError("must be a whole number of seconds")
    return value


def matching(pattern: str, words: str) -> AfterValidator:
    """Text that matches as a whole; ``words`` say to people what that is."""
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"must be {words}")
        return text

    return AfterValidator(check)


def _user_pattern(text: str) -> str:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    if pattern.fullmatch("") or pattern.fullmatch("a/b"):
        raise ValueError("matches the empty name or names with a slash")
    return text


def _endpoint(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 65536) or "/" in text:
        raise ValueError("must be HOST:PORT, without a scheme")
    return text


def _port_range(ports: tuple[int, int]) -> tuple[int, int]:
    if ports[0] > ports[1]:
        raise ValueError("the first port must not be above the last")
    return ports


Duration = Annotated[
    float,
    BeforeValidator(seconds),
    Field(gt=0, allow_inf_nan=False),
    PlainSerializer(in_words, when_used="json"),
]
"""Seconds, above 0; the file may also say ``90s``, ``5m``, ``2h``, ``7d``."""
WholeSeconds = Annotated[Duration, AfterValidator(_whole)]
Port = Annotated[int, Field(ge=1, le=65535)]
PortRange = Annotated[tuple[Port, Port], AfterValidator(_port_range)]
Name = Annotated[
    str, matching(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", "lower-case letters, digits, inner hyphens, at most 32")
]
"""Safe in keys, URLs and metrics."""
Text = Annotated[str, Field(min_length=1)]
UserPattern = Annotated[str, AfterValidator(_user_pattern)]
Url = Annotated[str, matching(r"https?://[^/\s?#@]+(/[^\s?#]*)?", "an http:// or https:// URL")]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Sha256 = Annotated[str, matching(r"[0-9a-f]{64}", "64 hexadecimal digits in lower case")]
