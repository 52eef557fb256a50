"""Say of a wrong setting where it is and what to write instead, in one line each."""

import difflib
import os
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bwvisu.settings.models import ENVIRONMENT_PREFIX, Settings

Location = tuple[int | str, ...]
"""Way to a value, e.g. ``("clusters", "main", "ssh", "key_file")``."""

_WORDS = {
    "missing": "is missing",
    "too_short": "must not be empty",
    "ip_v4_address": "is not an IP address",
    "ip_v4_network": "is not a network such as 10.0.0.0/24",
    "union_tag_not_found": "its `kind` is missing",
}


def explain(error: ValidationError, path: Path, tree: yaml.Node | None) -> list[str]:
    """Every fault as ``file:line: clusters.main.slurm.pol_interval: unknown key; did you mean 'poll_interval'?``."""
    return [_line(path, tree, fault) for fault in _told_once(error.errors(include_url=False, include_input=False))]


def _told_once(errors: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Keep the first fault of a place, be it of a union's other member or of the collection around it."""
    seen: set[Location] = set()
    for error in errors:
        where = _declared(error["loc"])[0]
        if not any(told[: len(where)] == where for told in seen):
            seen.add(where)
            yield error


def _line(path: Path, tree: yaml.Node | None, error: ErrorDetails) -> str:
    where, parent = _declared(error["loc"])
    variable = ENVIRONMENT_PREFIX + "__".join(str(step).upper() for step in where)
    source = variable if variable in os.environ else f"{path}:{_line_number(tree, where)}"
    return f"{source}: {'.'.join(map(str, where)) or 'file'}: {_words(error, where, parent)}"


def _words(error: ErrorDetails, where: Location, parent: Any) -> str:
    if error["type"] == "extra_forbidden":
        known = list(parent.model_fields) if is_model(parent) else []
        close = difflib.get_close_matches(str(where[-1]), known, n=1)
        return f"unknown key; did you mean {close[0]!r}?" if close else f"unknown key; known are {', '.join(known)}"
    if error["type"] == "union_tag_invalid":
        return f"its `kind` must be one of {error['ctx']['expected_tags']}"
    said = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return _WORDS.get(error["type"], said)


def _declared(location: Location) -> tuple[Location, Any]:
    """Cut off what pydantic adds below a value (names of union members); also say what holds the last step."""
    kind: Any = Settings
    parent: Any = None
    location = location[:-1] if location[-1:] == ("[key]",) else location
    where: list[int | str] = []
    for step in location:
        if step in choices(kind):  # which of several sections it is, and no place in the file
            kind = choices(kind)[str(step)]
            continue
        inner = _inside(kind, step)
        if inner is None and not is_model(kind):
            break
        where.append(step)
        parent, kind = kind, inner
    return tuple(where), parent


def _inside(kind: Any, step: int | str) -> Any:
    """The type below ``kind`` at ``step``; None: nothing is declared there."""
    if is_model(kind):
        field = kind.model_fields.get(str(step))
        return unwrapped(field.annotation) if field else None
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return unwrapped(arguments[1])
    if origin in (tuple, frozenset) and isinstance(step, int):
        return unwrapped(arguments[0])
    return None


def unwrapped(annotation: Any) -> Any:
    """``Annotated[X, ...]`` and ``X | None`` -> ``X``."""
    while True:
        arguments = get_args(annotation)
        if hasattr(annotation, "__metadata__"):
            annotation = arguments[0]
        elif get_origin(annotation) in (Union, types.UnionType) and type(None) in arguments and len(arguments) == 2:
            annotation = next(argument for argument in arguments if argument is not type(None))
        else:
            return annotation


def choices(kind: Any) -> Mapping[str, type[BaseModel]]:
    """The sections among which a key ``kind`` chooses, by its values; empty: this is something else."""
    members = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else ()
    if not all(is_model(member) and "kind" in member.model_fields for member in members):
        return {}
    return {get_args(member.model_fields["kind"].annotation)[0]: member for member in members}


def is_model(kind: Any) -> bool:
    """Whether ``kind`` is a section of its own."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _line_number(tree: yaml.Node | None, location: Location) -> int:
    """Line of the key, or of the nearest thing above it that the file has."""
    line, node = 1, tree
    for step in location:
        found = _child(node, step)
        if found is None:
            break
        line, node = found
    return line


def _child(node: yaml.Node | None, step: int | str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key.start_mark.line + 1, value) for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item: yaml.Node = node.value[step]
        return item.start_mark.line + 1, item
    return None
