"""An application's parameters on the command line: typed by its JSON Schema, listed, and named as its form does."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any
from urllib.parse import quote

from rich.table import Table
from rich.text import Text

from bwvisu.cli.display import columns
from bwvisu.cli.output import plain
from bwvisu.cli.rest import Rest, persistently
from bwvisu.errors import Fault, InvalidInput, UserError
from bwvisu.rest import Json

_BELOW = "/parameters/"


def of(rest: Rest, application: str, cluster: str | None = None) -> Json:
    """The schema of an application's parameters, as this cluster has them.  Raises NotFound."""
    found = persistently(lambda: rest.call("GET", f"/applications/{quote(application, safe='')}"))
    return on(found, cluster)


def on(application: Json, cluster: str | None) -> Json:
    """Of an application's document, the schema of its parameters on a cluster; None: on any.

    An older API knows no clusters that differ.
    """
    schema: Json = application.get("cluster_parameters", {}).get(cluster) or application["parameters"]
    return schema


def typed(given: Sequence[str], properties: Json) -> Json:
    """``NAME=VALUE`` as the application's JSON Schema types it; raises `InvalidInput` for what has no ``=``.

    What does not fit its type stays text: the API says what is wrong with it.
    """
    pairs = [each.partition("=") for each in given]
    faults = [Fault("--param", f"{name!r} is not NAME=VALUE") for name, equals, _ in pairs if not equals]
    if faults:
        raise InvalidInput(faults)
    return {name: _typed(value, properties.get(name, {})) for name, _, value in pairs}


def choices(schema: Mapping[str, Any]) -> list[Any]:
    """The values of a parameter that is one of several; [] for others."""
    return [each["const"] for each in schema.get("oneOf", ())]


def _typed(value: str, schema: Mapping[str, Any]) -> object:
    readers: dict[object, Callable[[str], object]] = {
        "integer": int,
        "number": float,
        "boolean": lambda text: {"true": True, "false": False}[text.lower()],
    }
    for choice in choices(schema):
        if str(choice) == value:
            return choice
    try:
        return readers[schema.get("type")](value)
    except (KeyError, ValueError):
        return value


@contextmanager
def in_words(properties: Json) -> Iterator[None]:
    """Name wrong values as the person did who typed them: by the form's label, or by the option."""
    try:
        yield
    except InvalidInput as error:
        lines = [f"{label(fault.pointer, properties)}: {fault.detail}" for fault in error.faults]
        raise UserError("\n".join(map(plain, lines)), slug=error.slug) from error


def label(pointer: str, properties: Json) -> str:
    """``/parameters/minutes`` -> ``Run time``; ``/user`` -> ``--user``."""
    if not pointer.startswith(_BELOW):
        return f"--{pointer.removeprefix('/')}"
    name = pointer.removeprefix(_BELOW).replace("~1", "/").replace("~0", "~")
    return str(properties.get(name, {}).get("title") or f"--param {name}")


def catalogue(applications: Sequence[Json]) -> Table:
    """What can be started."""
    shown = columns("Application", "Title", "Clusters", "Summary")
    for each in applications:
        cells = (each["name"], each["title"], ", ".join(each["clusters"]), each["summary"])
        shown.add_row(*(Text(plain(cell)) for cell in cells))
    return shown


def table(schema: Json) -> Table:
    """What an application asks, and of what it asks only sometimes when that is."""
    sometimes = any(each.get("x-when") for each in schema["properties"].values())
    shown = columns("Parameter", "Label", "Value", "Default", *(["Asked where"] if sometimes else []))
    required = must_be_given(schema)
    for name, each in schema["properties"].items():
        default = "required" if name in required else each.get("default", "")
        cells = [name, each.get("title", ""), _values(each), _literal(default)]
        cells += [_condition(each.get("x-when", {}))] if sometimes else []
        shown.add_row(*(Text(plain(cell)) for cell in cells))
    return shown


def must_be_given(schema: Json) -> set[str]:
    """Names without which a request is refused, at least where they are asked."""
    sometimes = (each.get("then", {}).get("required", ()) for each in schema.get("allOf", ()))
    return {*schema["required"], *chain.from_iterable(sometimes)}


def _condition(when: Mapping[str, Sequence[object]]) -> str:
    return " and ".join(f"{name} is {' or '.join(map(_literal, values))}" for name, values in when.items())


def _values(schema: Mapping[str, Any]) -> str:
    if choices(schema):
        return " | ".join(map(str, choices(schema)))
    if schema.get("type") == "boolean":
        return "true | false"
    lowest, highest, unit = (schema.get(key, "") for key in ("minimum", "maximum", "x-unit"))
    span = f"{lowest} to {highest}" if lowest != "" or highest != "" else ""
    return " ".join(filter(None, (str(schema.get("type", "")), span, str(unit))))


def _literal(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
