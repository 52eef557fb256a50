"""``form.yml``: attributes and their widgets, as parameters and as texts that never change."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bwvisu.adapters import strict_yaml
from bwvisu.adapters.ondemand.erb import has_tags
from bwvisu.adapters.ondemand.notes import Notes
from bwvisu.adapters.ondemand.terms import NotUnderstood, Term, Type, quoted
from bwvisu.domain.application import PARAMETER_NAME, RESERVED

WORD = "[A-Za-z0-9][A-Za-z0-9._-]*"
KNOWN: Mapping[str, Mapping[str, Any]] = {
    "bc_num_hours": {"widget": "number_field", "label": "Number of hours", "min": 1, "value": 1, "unit": "h"},
    "bc_num_slots": {"widget": "number_field", "label": "Number of nodes", "min": 1, "value": 1},
    "bc_queue": {"widget": "text_field", "label": "Partition", "pattern": WORD},
    "bc_account": {"widget": "text_field", "label": "Account", "pattern": WORD},
    "bc_vnc_resolution": {"widget": "resolution_field", "label": "Resolution"},
    "bc_vnc_idle": {"widget": "number_field", "label": "Idle time", "min": 0, "value": 0, "unit": "s"},
}
"""Attributes that Open OnDemand declares itself (its documentation, "User Form", of 3.1)."""
LEFT_OUT = {"bc_email_on_started": "nobody is written to by e-mail; a frontend can tell"}
KEYS = {"widget", "label", "help", "value", "min", "max", "step", "required", "options", "pattern", "unit"}
_TYPES: Mapping[str, Type] = {"integer": "int", "number": "float", "boolean": "bool"}


@dataclass(slots=True)
class Form:
    """What the form comes to."""

    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    """As ``app.yaml`` declares them."""
    names: dict[str, Term] = field(default_factory=dict)
    """Attribute -> what stands for it in a template."""
    title: str = ""
    hides: list[tuple[str, str, str]] = field(default_factory=list)
    """A choice, one of its values, and the attribute that is not asked then."""


def read(file: str, text: str, notes: Notes) -> Form:
    """The form, as far as it is understood."""
    form = Form()
    data = _document(file, text, notes)
    attributes = data.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    listed = data.get("form")
    shown = [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
    form.title = str(data.get("title") or "")
    if data.get("cluster"):
        notes.say(file, "the clusters' names are yours to choose: `clusters:` in app.yaml", str(data["cluster"]))
    for key in data.keys() - {"attributes", "form", "title", "cluster", "description"}:
        notes.say(file, f"the key {key[:40]!r} has no counterpart")
    for name in dict.fromkeys([*shown, *attributes]):
        _attribute(form, file, name, attributes.get(name), notes, shown=name in shown)
    for choice, _, hidden in form.hides:
        _asked_sometimes(form, file, choice, hidden, notes)
    return form


def _asked_sometimes(form: Form, file: str, choice: str, hidden: str, notes: Notes) -> None:
    """``data-hide-…`` of options as a condition of what they hide."""
    target = form.names[hidden].text if hidden in form.names and form.names[hidden].literal is None else None
    order = list(form.parameters)
    if target is None or order.index(target) <= order.index(choice):
        notes.say(file, f"{choice}: hides {hidden[:64]!r}, which is not asked after it")
        return
    parameter = form.parameters[target]
    if parameter["type"] in ("integer", "number") and "default" not in parameter:
        if "minimum" not in parameter:
            notes.say(file, f"{target}: what is not always asked needs a default", choice)
            return
        parameter["default"] = parameter["minimum"]
    away = {value for each, value, name in form.hides if (each, name) == (choice, hidden)}
    values = [each["value"] if isinstance(each, dict) else each for each in form.parameters[choice]["choices"]]
    left = [value for value in values if value not in away]
    if left:
        parameter["when"] = {**parameter.get("when", {}), choice: left}


def _hides(declared: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Value of an option, and the attribute that it hides (its documentation, "Dynamic Form Widgets")."""
    options = declared.get("options")
    for option in options if isinstance(options, list) else []:
        texts = option if isinstance(option, list) else []
        plain = [_line(each) for each in texts if not isinstance(each, dict | list)]
        for more in (each for each in texts if isinstance(each, dict) and plain):
            for key, value in more.items():
                if key.startswith("data-hide-") and value is True:
                    yield plain[min(1, len(plain) - 1)], key.removeprefix("data-hide-").replace("-", "_")


def _document(file: str, text: str, notes: Notes) -> dict[str, Any]:
    if has_tags(text):
        notes.say(file, "the form is computed by Ruby; only a static one is read: declare the parameters in app.yaml")
        return {}
    try:
        data = strict_yaml.load(text)
    except strict_yaml.NotUnderstood as why:
        notes.say(file, f"not understood: {why}")
        return {}
    if not isinstance(data, dict):
        notes.say(file, "is no form")
        return {}
    return data


def _attribute(form: Form, file: str, name: str, declared: object, notes: Notes, *, shown: bool) -> None:
    if name in LEFT_OUT:
        notes.say(file, LEFT_OUT[name], name)
        return
    if isinstance(declared, str | int | float):  # true and false are ints
        _constant(form, file, name, declared, notes)
        return
    merged = {**KNOWN.get(name, {}), **(declared if isinstance(declared, dict) else {})}
    if merged.get("widget") == "hidden_field" or not shown:
        _constant(form, file, name, merged.get("value", ""), notes)
        return
    ours = _our_name(name, form.parameters)
    parameter = _parameter(file, name, merged, notes)
    form.parameters[ours] = parameter
    if parameter["type"] == "choice":
        form.hides += [(ours, value, hidden) for value, hidden in _hides(merged)]
    form.names[name] = Term(ours, _TYPES.get(parameter["type"], "text"))
    if ours != name:
        notes.say(file, f"{name[:64]!r} cannot be a name; the parameter is called {ours}")


def _constant(form: Form, file: str, name: str, value: object, notes: Notes) -> None:
    text = {True: "1", False: "0"}[value] if isinstance(value, bool) else str(value)
    try:
        form.names[name] = quoted(text)
    except NotUnderstood as why:
        notes.say(file, f"the fixed value of {name[:64]!r}: {why}")


def _our_name(name: str, taken: Mapping[str, object]) -> str:
    plain = re.sub(r"[^a-z0-9_]", "_", name.lower()).strip("_")[:50] or "parameter"
    plain = plain if plain[0].isalpha() else f"p_{plain}"
    if plain in RESERVED:
        plain += "_"
    numbered = (plain, *(f"{plain}_{number}" for number in range(2, 1000)))
    found = next((each for each in numbered if each not in taken), plain)
    return found if PARAMETER_NAME.fullmatch(found) else "parameter"


def _parameter(file: str, name: str, declared: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    widget = str(declared.get("widget", "text_field"))
    common = {key: _line(declared[key]) for key in ("label", "help") if declared.get(key)}
    for key in declared.keys() - KEYS:
        notes.say(file, f"{name[:64]}: {key[:64]!r} has no counterpart")
    match widget:
        case "number_field" | "range_field":
            made = _number(declared)
        case "check_box":
            made = {"type": "boolean", "default": str(declared.get("value", "0")).lower() in ("1", "true")}
        case "select" | "radio_button" | "radio":
            made = _choice(file, name, declared, notes)
        case "resolution_field":
            made = {"type": "string", "pattern": "[0-9]{3,5}x[0-9]{3,5}", "default": "1024x768"}
        case _:
            made = _text(file, name, widget, declared, notes)
    return {"type": made.pop("type"), **common, **made}


def _number(declared: Mapping[str, Any]) -> dict[str, Any]:
    found = {ours: _parsed(declared.get(key)) for key, ours in _LIMITS.items()}
    limits = {key: value for key, value in found.items() if value is not None}
    kind = "integer" if all(isinstance(value, int) for value in limits.values()) else "number"
    low, high = limits.get("minimum", -math.inf), limits.get("maximum", math.inf)
    if not low <= limits.get("default", low) <= high:
        limits.pop("default", None)
    if limits.get("step", 1) <= 0:
        limits.pop("step")
    unit = {"unit": str(declared["unit"])} if declared.get("unit") else {}
    return {"type": kind, **limits, **unit}


_LIMITS = {"min": "minimum", "max": "maximum", "value": "default", "step": "step"}


def _parsed(value: object) -> int | float | None:
    """A number, or a text that is one: forms hold both."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if re.fullmatch(r"\s*-?[0-9]{1,15}\s*", str(value)):
        return int(value)
    return float(value) if re.fullmatch(r"\s*-?[0-9]{1,15}\.[0-9]{1,15}\s*", str(value)) else None


def _choice(file: str, name: str, declared: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    options = declared.get("options")
    found: dict[str, dict[str, str]] = {}
    for option in options if isinstance(options, list) else []:
        texts = option if isinstance(option, list) else [option]
        plain = [_line(each) for each in texts if not isinstance(each, dict | list)]
        if any(not str(key).startswith("data-hide-") for each in texts if isinstance(each, dict) for key in each):
            notes.say(
                file, f"{name[:64]}: what an option shows or hides (data-…) has no counterpart; see `when`", str(option)
            )
        if plain:
            label, value = plain[0], plain[min(1, len(plain) - 1)]
            found.setdefault(value, {"value": value, **({"label": label} if label != value else {})})
    if not found:
        notes.say(file, f"{name[:64]}: a choice without options is a text here")
        return {"type": "string", "required": False}
    default = _line(declared.get("value", ""))
    choices: Sequence[object] = [each if "label" in each else each["value"] for each in found.values()]
    return {"type": "choice", "choices": choices, "default": default if default in found else next(iter(found))}


def _text(file: str, name: str, widget: str, declared: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    if widget not in ("text_field", "path_selector", "email_field"):
        notes.say(file, f"{name[:64]}: the widget {widget[:40]!r} has no counterpart; it is one line of text here")
    made: dict[str, Any] = {"type": "path" if widget == "path_selector" else "string"}
    pattern = declared.get("pattern")
    if isinstance(pattern, str) and _SIMPLE.fullmatch(pattern) and len(re.findall(r"[*+?{]", pattern)) <= 4:
        made["pattern"] = pattern
    elif pattern:
        notes.say(file, f"{name[:64]}: only simple patterns are taken over, without groups", str(pattern))
    value = _line(declared.get("value") or "")
    if value and not _fits(made.get("pattern"), value):
        notes.say(file, f"{name[:64]}: its value does not match its pattern, and was left out")
    elif value:
        made["default"] = value
    if declared.get("required") is not True:
        made["required"] = False
    return made


_SIMPLE = re.compile(r"[A-Za-z0-9 \[\]{},.:;@/_=^$\\*+?-]{1,100}")
"""Patterns that no text keeps busy for long: no groups, and few repetitions."""


def _fits(pattern: str | None, value: str) -> bool:
    try:
        return pattern is None or re.fullmatch(pattern, value[:200]) is not None
    except (re.error, OverflowError, RecursionError):
        return True  # told when the bundle is read


def _line(value: object) -> str:
    """One line, as a form shows it."""
    text = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else str(value)
    return "".join(each for each in " ".join(str(text).split()) if each.isprintable())[:1000]
