"""What an old client would be wrong about when one JSON Schema takes the place of another: pure.

What an old client sends must still be allowed: in a request the old schema must fit into the new one.  What the
service answers must be what old clients know: in an answer the new schema must fit into the old one.  Hence one
question, asked in two directions.  A keyword that is not known here and has changed is a finding: what cannot be
judged is not waved through.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

Schema = Mapping[str, Any]

BOUNDS: Mapping[str, Callable[[Any, Any], bool]] = {
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), operator.ge),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), operator.le),
}
"""Keyword -> how the narrower schema's value compares with the wider one's."""
DEMANDS = {"pattern", "multipleOf", "uniqueItems", "propertyNames"}
"""What the wider schema has of these, the narrower must have, too."""
WORDS = {"title", "description", "examples", "example", "deprecated", "$schema", "$comment"}
JUDGED = {
    "$ref",
    "type",
    "enum",
    "const",
    "format",
    "default",
    "properties",
    "required",
    "additionalProperties",
    "items",
}
KNOWN = WORDS | JUDGED | DEMANDS | set(BOUNDS)
OF_ONE_TYPE: Mapping[str, str] = {
    **dict.fromkeys(("minLength", "maxLength", "pattern", "format"), "string"),
    **dict.fromkeys(("minItems", "maxItems", "uniqueItems", "items"), "array"),
    **dict.fromkeys(("properties", "required", "additionalProperties", "propertyNames"), "object"),
    **dict.fromkeys(("minProperties", "maxProperties"), "object"),
}
"""Keyword -> the only type that it says something about."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether values of the ``narrow`` document's schemas are values of the ``wide`` one's."""

    narrow: Schema
    wide: Schema
    answers: bool
    """Narrow is the new document, and it speaks; else it is the old one, and asks."""
    above: frozenset[tuple[str, str]] = frozenset()
    """References that are being compared: a schema may contain itself."""

    @classmethod
    def of_requests(cls, old: Schema, new: Schema) -> Self:
        """For what clients send."""
        return cls(narrow=old, wide=new, answers=False)

    @classmethod
    def of_answers(cls, old: Schema, new: Schema) -> Self:
        """For what clients are answered."""
        return cls(narrow=new, wide=old, answers=True)

    def breaks(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        """One sentence for each thing that an old client would be wrong about; ``at`` says where it is."""
        yield from self._misfits(*self._turn(old, new), at)

    def _turn(self, one: Schema, other: Schema) -> tuple[Schema, Schema]:
        """Old and new as narrow and wide, and the other way round."""
        return (other, one) if self.answers else (one, other)

    def _misfits(self, narrow: Schema, wide: Schema, at: str) -> Iterator[str]:
        yield from self._default(narrow, wide, at)
        wides = list(variants(wide, self.wide))
        for one in variants(narrow, self.narrow):
            found = [list(self._variant(one, other, at)) for other in wides if _same_type(one, other)]
            yield from min(found, key=len, default=[f"{at} {self._now(one.get('type', 'any value'))}"])

    def _now(self, value: object) -> str:
        return f"may be {value} now" if self.answers else f"may not be {value} any more"

    def _default(self, narrow: Schema, wide: Schema, at: str) -> Iterator[str]:
        """What is not sent must go on meaning the same; what an answer's default is, nobody asks."""
        was, now = narrow.get("default"), wide.get("default")
        if not self.answers and was is not None and was != now:
            yield f"{at} has the default {now} now, it was {was}"

    def _variant(self, narrow: Schema, wide: Schema, at: str) -> Iterator[str]:
        names = (narrow.get("$ref", ""), wide.get("$ref", ""))
        if names in self.above:
            return
        inside = replace(self, above=self.above | {names}) if all(names) else self
        yield from self._values(narrow, wide, at)
        yield from (f"{at} {words}" for words in _limits(*self._turn(narrow, wide), narrow, wide))
        yield from inside._object(narrow, wide, at)
        if "items" in wide:
            yield from inside._misfits(narrow.get("items", {}), wide["items"], f"{at}[]")

    def _values(self, narrow: Schema, wide: Schema, at: str) -> Iterator[str]:
        allowed = _enumeration(wide)
        if allowed is not None:
            own = _enumeration(narrow)
            for value in ["any value"] if own is None else [repr(each) for each in own if each not in allowed]:
                yield f"{at} {self._now(value)}"

    def _object(self, narrow: Schema, wide: Schema, at: str) -> Iterator[str]:
        mine, theirs = narrow.get("properties", {}), wide.get("properties", {})
        old, new = self._turn(mine, theirs)
        gone = [name for name in old if name not in new]
        yield from (f"{at}.{name} is gone" for name in gone)
        for name in sorted(set(wide.get("required", ())) - set(narrow.get("required", ())) - set(gone)):
            yield f"{at}.{name} {'may be missing' if self.answers else 'is required'} now"
        for name in [name for name in mine if name in theirs]:
            yield from self._misfits(mine[name], theirs[name], f"{at}.{name}")
        yield from self._others(narrow.get("additionalProperties", True), wide.get("additionalProperties", True), at)

    def _others(self, narrow: bool | Schema, wide: bool | Schema, at: str) -> Iterator[str]:
        """Properties that have no name in the schema."""
        if wide is True or narrow is False:
            return
        if wide is False or narrow is True:
            yield f"{at} {'may have any' if self.answers else 'may not have any other'} fields now"
        else:
            yield from self._misfits(narrow, wide, f"{at}.*")


def variants(schema: Schema, document: Schema) -> Iterator[Schema]:
    """The schemas of which a value must fit one; each has one ``type``, or none, and its name as ``$ref``."""
    if "$ref" in schema:
        named = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        yield from ({**each, "$ref": schema["$ref"]} for each in variants(named, document))
    elif "anyOf" in schema or "oneOf" in schema:
        common = {key: value for key, value in schema.items() if key not in {"anyOf", "oneOf", "default"}}
        for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
            yield from variants({**common, **branch}, document)
    elif isinstance(schema.get("type"), list):
        for kind in schema["type"]:
            yield {key: value for key, value in schema.items() if OF_ONE_TYPE.get(key, kind) == kind} | {"type": kind}
    else:
        yield schema


def _same_type(narrow: Schema, wide: Schema) -> bool:
    own, other = narrow.get("type"), wide.get("type")
    return other is None or own == other or (own, other) == ("integer", "number")


def _enumeration(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _limits(old: Schema, new: Schema, narrow: Schema, wide: Schema) -> Iterator[str]:
    for keyword, fits in BOUNDS.items():
        if keyword in wide and not (keyword in narrow and fits(narrow[keyword], wide[keyword])):
            yield _changed(keyword, old, new)
    for keyword in sorted((set(old) | set(new)) & DEMANDS):
        if keyword in wide and narrow.get(keyword) != wide[keyword]:
            yield _changed(keyword, old, new)
    if old.get("format") != new.get("format"):  # generated clients have another type for it
        yield _changed("format", old, new)
    for keyword in sorted((set(old) | set(new)) - KNOWN):
        if not keyword.startswith("x-") and old.get(keyword) != new.get(keyword):
            yield f"{_changed(keyword, old, new)}, which nobody here can judge"


def _changed(keyword: str, old: Schema, new: Schema) -> str:
    return f"has {keyword} {new.get(keyword, 'no more')}, it was {old.get(keyword, 'without')}"
