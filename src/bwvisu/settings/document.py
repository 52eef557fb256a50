"""``docs/settings.md``: every setting with its type, its default and what it is for, drawn from the models."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from bwvisu.settings.faults import choices, is_model, unwrapped
from bwvisu.settings.models import Settings
from bwvisu.settings.types import Port

_HEAD = """# Settings

<!-- Made by `make docs` from src/bwvisu/settings. Do not edit. -->

One YAML file: `--config FILE`, else `$BWVISU_CONFIG`, else `/etc/bwvisu/bwvisu.yaml`. Each key can be overridden by an
environment variable, `BWVISU_` and the path in capitals with two underscores between the levels:
`BWVISU_API__PORT=4300`; lists and mappings are written as JSON. An unknown key is an error. `bwvisu config check` names
every fault with its line, `bwvisu config show` prints what takes effect.

Durations are seconds, or text: `90s`, `5m`, `2h`, `7d`. Relative paths count from the working directory.
"""

_PLAIN: Mapping[Any, str] = {
    bool: "true or false",
    str: "text",
    int: "integer",
    float: "duration",
    Path: "path",
    AwareDatetime: "time",
    IPv4Address | IPv6Address: "IP address",
    IPv4Network | IPv6Network: "network",
}


def render() -> str:
    """The whole page."""
    lines = [_HEAD]
    for path, model in _sections(Settings, ""):
        lines.append(f"## `{path}`\n" if path else "## Top level\n")
        lines += ["| key | value | default | what it is |", "| --- | --- | --- | --- |"]
        lines += [_row(name, field) for name, field in model.model_fields.items()]
        lines.append("")
    return "\n".join(lines)


def _sections(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    yield path, model
    for name, field in model.model_fields.items():
        for kind, each in choices(unwrapped(field.annotation)).items():
            yield from _sections(each, f"{path}.{name} (kind: {kind})".lstrip("."))
        inner, suffix = _element(field.annotation)
        if is_model(inner):
            yield from _sections(inner, f"{path}.{name}{suffix}".lstrip("."))


def _element(annotation: Any) -> tuple[Any, str]:
    """What a collection holds, and how its place is written."""
    kind = unwrapped(annotation)
    arguments = get_args(kind)
    if choices(kind):
        return kind, ""
    if get_origin(kind) is tuple:
        return unwrapped(arguments[0]), "[]"
    if arguments and is_model(unwrapped(arguments[-1])):
        return unwrapped(arguments[-1]), ".<name>"
    return kind, ""


def _row(name: str, field: FieldInfo) -> str:
    words = " ".join((field.description or "").split()).replace("|", "\\|")
    return f"| `{name}` | {_kind(field)} | {_default(field)} | {words} |"


def _kind(field: FieldInfo) -> str:
    inner, suffix = _element(field.annotation)
    if is_model(inner):
        return {"": "section", "[]": "list of sections", ".<name>": "sections by name"}[suffix]
    if kinds := choices(inner):
        return f"section, one of {len(kinds)} kinds"
    if get_origin(inner) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(inner))
    if field.annotation == tuple[Port, Port]:
        return "two ports"
    plain = _PLAIN.get(inner, "list of text")
    return f"list: {plain}" if suffix else plain


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    default = field.default
    if isinstance(default, BaseModel):
        return "see below"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if default is None or default in ("", ()):
        return "none"
    if isinstance(default, tuple):
        return f"`[{', '.join(map(str, default))}]`"
    return f"`{default}`".replace("|", "\\|")
