"""How a record is written and read: JSON, of a form that may change while two releases run side by side.

A new *field* needs nothing: it has a default for older records, and an older release keeps what it does not know when
it writes the record again.  Only where that is not enough, since an old field would then mean something else, does a
record get a new *form*: its class gains a migration below, its records carry ``"format": n`` from then on (none: 1),
older ones are migrated as they are read, and an older release refuses the newer ones.
"""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bwvisu.errors import OperatorError

R = TypeVar("R", bound=BaseModel)
Migration = Callable[[dict[str, Any]], dict[str, Any]]
"""Turns a record's JSON object into that of the next form."""
FORMAT = "format"

MIGRATIONS: Mapping[type[BaseModel], tuple[Migration, ...]] = MappingProxyType({})
"""By record; the first leads from form 1 to form 2.  None has needed one so far."""


class NewerRecord(OperatorError, ValueError):
    """A newer release wrote this record in a form that this one cannot know; it is left as it is."""


def form_of(kind: type[BaseModel]) -> int:
    """The form in which this release writes a record, from 1."""
    return 1 + len(MIGRATIONS.get(kind, ()))


def encode(record: BaseModel) -> bytes:
    """JSON in UTF-8; unknown fields that the record carries are kept."""
    form = form_of(type(record))
    if form > 1:
        record = record.model_copy(update={FORMAT: form})
    return record.model_dump_json().encode()


def decode(kind: type[R], value: bytes) -> R:
    """Read a record.

    Raises ValueError: pydantic's ValidationError where it is damaged, `NewerRecord` where it is of a newer form.
    """
    if kind in MIGRATIONS:
        return _migrated(kind, value)
    try:
        record = kind.model_validate_json(value)
    except ValidationError:
        _refuse_newer(kind, _form(value))
        raise
    _refuse_newer(kind, (record.model_extra or {}).get(FORMAT, 1))
    return record


def _migrated(kind: type[R], value: bytes) -> R:
    form = _form(value)
    _refuse_newer(kind, form)
    if not isinstance(form, int) or not 1 <= form < form_of(kind):
        return kind.model_validate_json(value)
    content = json.loads(value)
    for migration in MIGRATIONS[kind][form - 1 :]:
        content = migration(content)
    return kind.model_validate_json(json.dumps(content))


def _form(value: bytes) -> Any:
    try:
        content = json.loads(value)
    except ValueError:  # of bytes that are no text, too
        return 1
    return content.get(FORMAT, 1) if isinstance(content, dict) else 1


def _refuse_newer(kind: type[BaseModel], form: Any) -> None:
    if isinstance(form, int) and form > form_of(kind):
        raise NewerRecord(
            f"this {kind.__name__} was written in form {form} by a newer release of bwVisu; "
            f"this one knows it up to form {form_of(kind)}"
        )
